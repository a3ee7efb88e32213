"""`seed_due N [--json]`: make N tasks due in a scratch world, each of which is pushed with a number of its own."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from yejibao.core.errors import Conflict
from yejibao.core.management.scratch import ScratchCommand
from yejibao.demo import seeding


class Command(ScratchCommand):
    help = (
        "在试验环境里造 N 个到点的跟进（30 分钟回访），均摊给至少 500 个导购；导购不够就先造一家公司，空库（已 migrate）也可以。"
        "之后由平时的进程照常打开、推送：每个跟进单独推一条，标题形如「编号#000123 · 30 分钟回访」，编号接着上次往下数，"
        "所以在接收端每个编号恰好出现一次。夜里会把这个环境的时钟拨到第二天上午，因为夜里不推送。"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("count", type=int, metavar="N")
        parser.add_argument("--json", action="store_true", help="只输出一行 JSON")

    def handle(self, *args: Any, count: int, **options: Any) -> None:
        if not 1 <= count <= 1_000_000:
            raise CommandError("N 要在 1 到 1000000 之间。")
        if seeding.platform_is_real():
            raise CommandError("WECOM_API_BASE 指向真实的企业微信，不往那里推试验数据。")
        try:
            done = seeding.seed_due(count)
        except Conflict as refusal:
            raise CommandError(str(refusal)) from None
        if options["json"]:
            self.print_json(done.as_json())
            return
        self.stdout.write(
            f"已造 {done.seeded:,} 个到点的跟进，编号 {done.first}-{done.last}，均摊给 {done.guides:,} 个导购。"
        )
        if done.clock_offset_seconds:
            self.stdout.write(
                f"这个环境的时钟比实际时间快 {done.clock_offset_seconds / 3600:.1f} 小时（总在营业时间里）。"
            )
        if not done.sandbox_knows_people:
            self.stdout.write(f"{settings.WECOM_API_BASE} 不是我们的沙箱，没有把导购名单告诉它。")
