"""`restore FILE --database NAME --identity FILE`: put a backup into a new database and count it."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from yejibao.core import clock, erasing
from yejibao.core.backup import restoring
from yejibao.core.backup.dumping import BackupError
from yejibao.core.outbox import gate


class Command(BaseCommand):
    help = "把一份备份恢复到一个新的数据库里，逐表点数；发送停着，等人恢复发送。"
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("bundle", type=Path, metavar="FILE")
        parser.add_argument(
            "--database", required=True, help="name of the database to make; one that exists is refused"
        )
        parser.add_argument("--identity", required=True, type=Path, help="file with the age key, AGE-SECRET-KEY-1…")
        parser.add_argument(
            "--erased", type=Path, action="append", default=[],
            help="a list of members who were forgotten on request; beside this installation's own and the backup's",
        )  # fmt: skip
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *, bundle: Path, database: str, identity: Path, **options: Any) -> None:
        lists = [erasing.kept_list(), bundle.parent / erasing.FILE, *options["erased"]]
        erased = {subject: at for path in lists for subject, at in erasing.read_list(path).items()}
        try:
            lines = [line for line in identity.read_text().splitlines() if line and not line.startswith("#")]
            restored = restoring.restore(
                bundle, identity="".join(lines), database=database, now=clock.system_now(), erased=erased
            )
        except (BackupError, OSError) as error:
            raise CommandError(str(error)) from None
        if options["json"]:
            self.stdout.write(
                json.dumps(
                    {"rows": restored.rows, "differing": restored.differing, "erased_again": restored.erased_again}
                )
            )
        else:
            self.stdout.write(f"{restored.database}：{restored.rows:,} 行已恢复。")
            if restored.erased_again:
                self.stdout.write(f"要求删除过的 {restored.erased_again:,} 位会员，在这里也重新清除了。")
            elif not any(path.is_file() for path in lists):
                self.stdout.write(
                    "没有找到重删名单（erased-members.txt）。有会员要求删除过的话，用 --erased 指给它再恢复一次。"
                )
            self.stdout.write("把 DATABASE_URL 指到它再启动。发送停着，先做完这几件，再 `open_gate`：")
            for check in gate.CHECKS:
                self.stdout.write(f"  - {check}")
        if restored.differing:
            names = "；".join(f"{name} 应有 {a:,}，实有 {b:,}" for name, (a, b) in sorted(restored.differing.items()))
            raise CommandError(f"点数对不上：{names}。库留着，先别用它。")
