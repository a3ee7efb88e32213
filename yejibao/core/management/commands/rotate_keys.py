"""`rotate_keys [--check] [--seconds N] [--again] [--json]`: encrypt personal data anew under the newest key."""

import json
import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from yejibao.core import clock, personal, rotation
from yejibao.core.models import KeyRotation


class Command(BaseCommand):
    help = "用最新的密钥把加密的列重新加密：一批一批做，随时能停，再跑接着做。"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="only count the values under each key")
        parser.add_argument("--seconds", type=float, default=0, help="stop after so many seconds; 0: when all is done")
        parser.add_argument("--batch", type=int, default=rotation.AT_ONCE, help="rows a transaction")
        parser.add_argument("--again", action="store_true", help="walk all tables from their beginning once more")
        parser.add_argument("--json", action="store_true", help="print one JSON object at the end")

    def handle(self, *, check: bool, seconds: float, batch: int, again: bool, **options: Any) -> None:
        newest = personal.newest_key()
        is_stopped = False
        if not check:
            is_stopped = self._walk(newest, seconds=seconds, batch=batch, again=again)
        # Counting reads every table, so a run that was stopped does not end with it.
        in_use = {} if is_stopped else rotation.keys_in_use()
        left = sum(count for keys in in_use.values() for key, count in keys.items() if key != newest)
        if options["json"]:
            said = {"newest": newest, "stopped": is_stopped, "left": None if is_stopped else left}
            self.stdout.write(json.dumps(said | {"columns": {name: dict(keys) for name, keys in in_use.items()}}))
            return
        for name, keys in sorted(in_use.items()):
            told = "，".join(f"{key} {count:,} 个" for key, count in sorted(keys.items()))
            self.stdout.write(f"{name}：{told}")
        if is_stopped:
            self.stdout.write("停下了。再跑一次会接着做。")
        elif left and not check:
            raise CommandError(
                f"还有 {left:,} 个值不在 {newest} 名下：有进程还在用旧的设置写，重启它们，再跑 rotate_keys --again。"
            )
        elif not left:
            self.stdout.write(f"都在 {newest} 名下。旧密钥留到最后一份用它的备份过期（35 天）再删。")

    def _walk(self, newest: str, *, seconds: float, batch: int, again: bool) -> bool:
        """Return whether it was stopped before the end."""
        if again:
            KeyRotation.objects.filter(key_id=newest).delete()
        asked: list[int] = []
        before = {
            one: signal.signal(one, lambda number, _: asked.append(number)) for one in (signal.SIGINT, signal.SIGTERM)
        }
        ends = clock.monotonic() + seconds if seconds else None
        try:
            for told in rotation.rotate(
                at_once=batch, goes_on=lambda: not asked and (ends is None or clock.monotonic() < ends)
            ):
                mark = "完成" if told.is_done else "…"
                self.stderr.write(f"{told.table} 看过 {told.rows:,} 行，重新加密 {told.changed:,} 行 {mark}")
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        done = set(KeyRotation.objects.filter(key_id=newest, done_at__isnull=False).values_list("table", flat=True))
        return not {table.name for table in rotation.tables()} <= done
