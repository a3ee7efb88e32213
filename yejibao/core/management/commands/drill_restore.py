"""`drill_restore [--json]`: back up, restore into a database of its own, count, check every page, drop it. Weekly."""

import json
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from yejibao.core import clock, heart
from yejibao.core.backup import databases, restoring
from yejibao.core.backup.dumping import BackupError
from yejibao.core.models import Heartbeat


class Command(BaseCommand):
    help = "演练恢复：备份、恢复到另一个库、逐表点数、检查坏页、删掉。原来的库一行不动。"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, **options: Any) -> None:
        began, now = time.monotonic(), clock.system_now()
        try:
            restored = restoring.drill(now=now, database=f"{databases.name()}_drill_{now:%Y%m%d%H%M%S}")
        except BackupError as error:
            raise CommandError(str(error)) from None
        if restored.differing:
            names = "；".join(f"{name} 应有 {a:,}，实有 {b:,}" for name, (a, b) in sorted(restored.differing.items()))
            raise CommandError(f"演练没通过，点数对不上：{names}。")
        heart.beat(f"{Heartbeat.JOB}restore_drill")
        seconds = round(time.monotonic() - began, 1)
        if options["json"]:
            self.stdout.write(json.dumps({"rows": restored.rows, "seconds": seconds, "differing": {}}))
        else:
            self.stdout.write(f"演练通过：{restored.rows:,} 行逐表对上，{seconds:,} 秒。")
