"""`open_gate --reason TEXT`: let sending go on after a restore."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from yejibao.core import clock
from yejibao.core.outbox import gate
from yejibao.core.scope import Actor


class Command(BaseCommand):
    help = "恢复以后，核对完了，让提醒重新发出去。"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reason", default="", help="who checked what; kept in the audit trail")

    def handle(self, *, reason: str, **options: Any) -> None:
        if not gate.is_shut():
            self.stdout.write("闸本来就开着。")
            return
        if not reason.strip():
            todo = "\n".join(f"  - {check}" for check in gate.CHECKS)
            raise CommandError(f"恢复发送前先做完这几件，再用 --reason 写下谁核对了什么：\n{todo}")
        gate.open_gate(Actor.system(), reason=reason.strip(), now=clock.now())
        self.stdout.write("闸开了，排队的提醒接着发。")
