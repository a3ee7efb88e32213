"""`replay --from D1 --to D2 [--beat MINUTES] [--json]`: play simulated days through the product, then report."""

import json
import logging
from collections import Counter
from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from tasks.cadences.conservation import prove
from tasks.cadences.models import Cadence
from yejibao.core.models import OutboxMessage
from yejibao.demo.people import tell_sandbox
from yejibao.demo.replay import play
from yejibao.demo.sandbox_control import own_sandbox

ROWS = (
    ("到账订单", "purchases"), ("　开始一轮", "anchor"), ("　并入同日", "joined"), ("　小单", "small"), ("　不跟进", "not_eligible"),
    ("周期", "enrollments"), ("　被新一轮替换", "cycles_superseded"), ("　已走完", "cycles_completed"), ("　进行中", "cycles_active"),
    ("任务（已打开的步）", "opened"), ("　已完成", "done"), ("　已失效", "expired"), ("　待办", "open"), ("　已替换", "superseded"),
    ("　已跳过", "skipped"), ("　已取消", "cancelled"), ("打开前跳过", "steps_skipped"), ("打开前被替换", "steps_superseded"),
    ("打开前取消", "steps_cancelled"), ("还没到时", "steps_waiting"),
)  # fmt: skip


class Command(BaseCommand):
    help = "Play simulated days: held orders arrive, tasks open, guides act by a fixed rule, pushes go to a sandbox."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--from", dest="start", required=True, type=date.fromisoformat, metavar="YYYY-MM-DD")
        parser.add_argument("--to", dest="end", required=True, type=date.fromisoformat, metavar="YYYY-MM-DD")
        parser.add_argument("--beat", type=int, default=60, help="minutes between two beats of a day (60)")
        parser.add_argument("--json", action="store_true", help="print only the last line, one JSON object")

    def handle(self, *, start: date, end: date, beat: int, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("生产环境不能回放")
        if end < start or not 5 <= beat <= 360:
            raise CommandError("日期要从早到晚，--beat 在 5 到 360 分钟之间")
        quiet = options["json"]
        logging.getLogger("yejibao.wecom").setLevel(logging.WARNING)  # a token every two simulated hours is no news
        counts: Counter[str] = Counter()
        with (
            own_sandbox() as control,
            tqdm(total=(end - start).days + 1, unit="天", disable=quiet, mininterval=1) as bar,
        ):
            tell_sandbox(control, with_customers=False)
            for played in play(start, end, every=timedelta(minutes=beat), control=control):
                bar.update(1)
                bar.set_postfix_str(f"到账 {played.counts['arrived']:,} 打开 {played.counts['open']:,}", refresh=False)
                counts = played.counts
            sandbox = control.stats()
        proof = prove(cadence_id=Cadence.objects.get(key="3369").pk)
        pushes = dict(Counter(OutboxMessage.objects.values_list("state", flat=True)))
        if not quiet:
            self._report(proof.counts, proof.opened_by_node, proof.skipped_by_reason, pushes, counts)
        report = proof.as_json() | {
            "pushes": pushes,
            "sandbox_delivered": sandbox.get("delivered"),
            "played": dict(counts),
        }
        report["missing"] = proof.missing
        self.stdout.write(json.dumps(report, ensure_ascii=False))
        if proof.missing:
            raise CommandError(f"{proof.missing} missing")

    def _report(
        self, counts: dict[str, int], by_node: dict[str, int], skipped: dict[str, int], pushes: dict[str, int],
        played: Counter[str],
    ) -> None:  # fmt: skip
        for word, key in ROWS:
            self.stdout.write(f"{word:<14}{counts[key]:>10,}")
        self.stdout.write("按节点打开：" + "，".join(f"{node} {n:,}" for node, n in by_node.items()))
        self.stdout.write("跳过原因：" + ("，".join(f"{reason} {n:,}" for reason, n in skipped.items()) or "无"))
        self.stdout.write("推送：" + ("，".join(f"{state} {n:,}" for state, n in pushes.items()) or "无"))
        if played["parked"]:
            self.stdout.write(f"有 {played['parked']:,} 次打开失败，见日志")
