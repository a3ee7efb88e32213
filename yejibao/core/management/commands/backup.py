"""`backup DIR [--json]`: write an encrypted backup of this moment and forget those older than 35 days."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from yejibao.core import clock, erasing, heart
from yejibao.core.backup import dumping
from yejibao.core.backup.tallies import rows_in
from yejibao.core.models import Heartbeat


class Command(BaseCommand):
    help = "把这一刻的数据库写成一个加密文件，旁边记下里面有多少行，并删去 35 天以前的。"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, metavar="DIR")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *, folder: Path, **options: Any) -> None:
        if not settings.BACKUP_RECIPIENTS:
            raise CommandError(
                "先设 YEJIBAO_BACKUP_RECIPIENTS：用 bin/manage backup_key（或 age-keygen）生成一对钥匙，这里只放公钥（age1…），私钥锁在别处。"
            )
        now = clock.system_now()
        try:
            note = dumping.dump(folder, recipients=settings.BACKUP_RECIPIENTS, now=now)
        except dumping.BackupError as error:
            raise CommandError(str(error)) from None
        erasing.write_list(folder / erasing.FILE)  # goes away with the backups: who must be forgotten again
        forgotten = dumping.forget_old(folder, now=now)
        heart.beat(f"{Heartbeat.JOB}backup", file=note.name, bytes=note.bytes, rows=rows_in(note.tallies))
        if options["json"]:
            said = {"name": note.name, "bytes": note.bytes, "rows": rows_in(note.tallies), "forgotten": forgotten}
            self.stdout.write(json.dumps(said))
        else:
            self.stdout.write(f"{folder / note.name}：{note.bytes / 2**20:,.1f} MiB，{rows_in(note.tallies):,} 行。")
