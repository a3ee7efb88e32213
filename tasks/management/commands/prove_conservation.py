"""`prove_conservation [--json]`: every order has a cause, every planned step an end, every opened task a state."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tasks.cadences.conservation import prove
from tasks.cadences.models import Cadence

WORDS = {
    "purchases": "到账订单", "anchor": "开始一轮", "joined": "并入同日", "small": "小单", "not_eligible": "不跟进",
    "enrollments": "周期", "cycles_superseded": "被新一轮替换的周期", "steps_planned": "计划步数", "steps_opened": "已打开",
    "steps_skipped": "打开前跳过", "steps_superseded": "打开前被替换", "steps_cancelled": "打开前取消", "steps_waiting": "还没到时",
    "opened": "任务", "open": "待办", "done": "已完成", "expired": "已失效", "skipped": "已跳过", "superseded": "已替换",
    "cancelled": "已取消",
}  # fmt: skip


class Command(BaseCommand):
    help = "Count orders, steps and tasks of a cadence and prove that none is missing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--cadence", default="3369")

    def handle(self, *, cadence: str, **options: Any) -> None:
        found = Cadence.objects.filter(key=cadence).first()
        if found is None:
            raise CommandError(f"没有这个跟进节奏：{cadence}")
        proof = prove(cadence_id=found.pk)
        if options["json"]:
            self.stdout.write(json.dumps(proof.as_json(), ensure_ascii=False))
        else:
            for key, word in WORDS.items():
                self.stdout.write(f"{word:<12}{proof.counts[key]:>12,}")
            self.stdout.write(f"{'缺失':<12}{proof.missing:>12,}")
        if proof.missing:
            raise CommandError(f"{proof.missing} missing")
