"""`verify_audit [--json]`: hash every sealed audit row again and compare it with its seal."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from yejibao.core import sealing
from yejibao.core.clock import local_day


class Command(BaseCommand):
    help = "Prove that no sealed audit row was changed, deleted or slipped in."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, **options: Any) -> None:
        check = sealing.verify()
        broken = check.broken
        if options["json"]:
            said = {"seals": check.seals, "rows": check.rows, "broken_seal": broken.pk if broken else None}
            self.stdout.write(json.dumps(said))
        else:
            self.stdout.write(f"{check.seals} 个封存、{check.rows:,} 条审计记录，逐条核对无误。")
        if broken:
            raise CommandError(
                f"{local_day(broken.sealed_at)} 的封存对不上：编号 {broken.after_id + 1} 到 {broken.last_id} 之间的审计记录被改过、"
                "删过或插过。先停止清理、保留备份，再请安全负责人比对。"
            )
