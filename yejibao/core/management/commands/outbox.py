"""`outbox [--json]`: how many messages stand in which state, and how long the oldest due one has waited."""

from typing import Any

from django.core.management.base import CommandParser

from yejibao.core import clock
from yejibao.core.management.scratch import ScratchCommand
from yejibao.core.outbox.figures import message_figures
from yejibao.core.outbox.models import OutboxMessage


class Command(ScratchCommand):
    help = "推送发件箱：各状态条数，最早一条到点未发的等了多久，失败、结果不明、待人工确认各多少。"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="只输出一行 JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        facts = message_figures(clock.now())
        if options["json"]:
            self.print_json(facts)
            return
        rows: list[tuple[str, Any]] = [
            (str(OutboxMessage.State(state).label), count) for state, count in facts["states"].items()
        ]
        rows += [("合计", facts["total"]), ("到点未发", facts["due"])]
        self.print_table([*rows, ("最早一条已等", f"{facts['oldest_due_seconds']:.0f} 秒")])
