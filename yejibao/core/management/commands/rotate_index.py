"""`rotate_index [--seconds N] [--batch N] [--again]`: make the look-up indexes of phones and ID numbers anew under the key of now."""

import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from yejibao.core import clock, reindexing, rotation
from yejibao.core.models import KeyRotation


class Command(BaseCommand):
    help = "换索引密钥以后，把手机号、证件号的索引重算一遍：一批一批做，随时能停，再跑接着做。"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seconds", type=float, default=0, help="stop after so many seconds; 0: when all is done")
        parser.add_argument("--batch", type=int, default=rotation.AT_ONCE, help="rows a transaction")
        parser.add_argument("--again", action="store_true", help="walk all tables from their beginning once more")

    def handle(self, *, seconds: float, batch: int, again: bool, **options: Any) -> None:
        key = reindexing.key_id()
        if again:
            KeyRotation.objects.filter(key_id=key).delete()
        asked: list[int] = []
        before = {
            one: signal.signal(one, lambda number, _: asked.append(number)) for one in (signal.SIGINT, signal.SIGTERM)
        }
        ends = clock.monotonic() + seconds if seconds else None
        changed: dict[str, int] = {}
        try:
            for told in reindexing.rebuild(
                at_once=batch, goes_on=lambda: not asked and (ends is None or clock.monotonic() < ends)
            ):
                changed[told.table] = told.changed
                mark = "完成" if told.is_done else "…"
                self.stderr.write(f"{told.table} 看过 {told.rows:,} 行，重算 {told.changed:,} 行 {mark}")
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        done = set(KeyRotation.objects.filter(key_id=key, done_at__isnull=False).values_list("table", flat=True))
        if not {one.name for one in reindexing.walks()} <= done:
            self.stdout.write("停下了。再跑一次会接着做。")
        elif again and not sum(changed.values()):
            self.stdout.write("没有要重算的了。" + _old())
        else:
            self.stdout.write("都重算过了。再跑一次 rotate_index --again，直到没有要重算的，才把旧的索引密钥拿掉。")


def _old() -> str:
    return (
        "可以把 YEJIBAO_OLD_INDEX_KEYS 拿掉了（要求删除过信息的会员要留着它，见 runbook）。"
        if settings.OLD_INDEX_KEYS
        else ""
    )
