"""Issue or revoke the token of a system that posts orders."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from crm.orders.services import issue_token, revoke_token
from yejibao.core import clock


class Command(BaseCommand):
    help = "给一个订单来源发放接口令牌（POST /api/v1/feed/orders），旧令牌随即失效。"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME", help="来源名称，如 pos；与单号一起决定一张单")
        parser.add_argument("--revoke", action="store_true", help="停用这个来源的令牌")

    def handle(self, *args: Any, name: str, revoke: bool, **options: Any) -> None:
        name = name.strip()
        if not 0 < len(name) <= 32:
            raise CommandError("来源名称要有 1 到 32 个字符")
        if revoke:
            if not revoke_token(name):
                raise CommandError(f"没有在用的来源 {name}")
            self.stdout.write(f"来源 {name} 的令牌已停用")
            return
        token = issue_token(name, now=clock.now())
        self.stderr.write(f"来源 {name} 的令牌（只显示这一次，请保存好）：")
        self.stdout.write(token)
