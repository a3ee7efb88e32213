"""`drill_restore [--folder DIR] [--bundle FILE] [--identity FILE] [--json]`: restore into a database of its own, prove it, drop it. Weekly."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from yejibao.core import clock
from yejibao.core.backup import drilling


class Command(BaseCommand):
    help = "演练恢复：备份、恢复到另一个库、逐表点数、逐项检查、删掉。原来的库一行不动，结果留在「备份与恢复」页。"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--bundle", type=Path, metavar="FILE", help="a backup to prove; otherwise one of this moment"
        )
        parser.add_argument(
            "--folder",
            type=Path,
            metavar="DIR",
            help="where backups are kept: its newest is proven, with a key restored",
        )
        parser.add_argument("--identity", type=Path, metavar="FILE", help="file with the age key of that backup")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *, bundle: Path | None, identity: Path | None, folder: Path | None, **options: Any) -> None:
        if (bundle is not None and identity is None) or (identity is not None and bundle is None and folder is None):
            raise CommandError("--bundle（或 --folder）和 --identity 要一起给：用哪一份备份，用哪一把钥匙。")
        key = (
            "".join(line for line in identity.read_text().splitlines() if line and not line.startswith("#"))
            if identity
            else ""
        )
        report = drilling.drill(
            now=clock.system_now(), database=drilling.drill_name(), bundle=bundle, identity=key, folder=folder
        )
        if options["json"]:
            told = {"rows": report.rows, "seconds": report.seconds, "is_well": report.is_well, **report.facts}
            self.stdout.write(json.dumps(told, ensure_ascii=False))
        else:
            for proof in report.facts["proofs"]:
                self.stdout.write(f"{'✓' if proof['is_well'] else '✗'} {proof['name']}：{proof['said']}")
        if not report.is_well:
            raise CommandError(f"演练没通过：{report.error}")
        if not options["json"]:
            self.stdout.write(f"演练通过：{report.rows:,} 行，{report.seconds:,} 秒。")
