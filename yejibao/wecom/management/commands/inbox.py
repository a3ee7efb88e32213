"""`inbox [--json]`: what came in and is not worked off: callbacks of the platform, and events between departments."""

from typing import Any

from django.core.management.base import CommandParser

from yejibao.core import clock
from yejibao.core.management.scratch import ScratchCommand
from yejibao.core.outbox.figures import event_figures
from yejibao.wecom.inbox.figures import inbox_figures
from yejibao.wecom.inbox.models import InboxEntry


class Command(ScratchCommand):
    help = "收件箱：企业微信回调和部门间事件，各等待多少、搁置多少，最早一条等了多久。"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="只输出一行 JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        now = clock.now()
        callbacks, events = inbox_figures(now), event_figures(now)
        if options["json"]:
            self.print_json({"callbacks": callbacks, "events": events})
            return
        rows: list[tuple[str, Any]] = [
            (f"回调 · {InboxEntry.State(state).label}", count) for state, count in callbacks["states"].items()
        ]
        rows += [
            ("回调 · 最早一条已等", f"{callbacks['oldest_waiting_seconds']:.0f} 秒"),
            ("事件 · 等待处理", events["waiting"]),
            ("事件 · 搁置", events["parked"]),
            ("事件 · 最早一条已等", f"{events['oldest_waiting_seconds']:.0f} 秒"),
        ]
        self.print_table(rows)
