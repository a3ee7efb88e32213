"""Issue or revoke the token of a system that sends data."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from yejibao.core import clock
from yejibao.intake.kinds import all_kinds
from yejibao.intake.services import issue_token, revoke_token


class Command(BaseCommand):
    help = "给一个数据来源发放接口令牌（POST /api/v1/feed/orders、/api/v1/intake/…），旧令牌随即失效。"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME", help="来源名称，如 pos；与单号一起决定一张单")
        parser.add_argument(
            "--kinds",
            default="orders,returns",
            metavar="A,B",
            help="新来源能送的数据，缺省 orders,returns；已有的来源不变",
        )
        parser.add_argument("--revoke", action="store_true", help="停用这个来源的令牌")

    def handle(self, *args: Any, name: str, revoke: bool, kinds: str, **options: Any) -> None:
        name = name.strip()
        if not 0 < len(name) <= 32:
            raise CommandError("来源名称要有 1 到 32 个字符")
        if revoke:
            if not revoke_token(name):
                raise CommandError(f"没有在用的来源 {name}")
            self.stdout.write(f"来源 {name} 的令牌已停用")
            return
        wanted = [part.strip() for part in kinds.split(",") if part.strip()]
        known = [kind.key for kind in all_kinds()]
        if unknown := sorted(set(wanted) - set(known)):
            raise CommandError(f"没有这种数据：{'、'.join(unknown)}。可以是 {'、'.join(known)}")
        token = issue_token(name, now=clock.now(), may_send=wanted)
        self.stderr.write(f"来源 {name} 的令牌（只显示这一次，请保存好）：")
        self.stdout.write(token)
