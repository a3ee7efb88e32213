"""Give a person a password for signing in at the web, or take it away."""

import getpass
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from guides.org.models import Staff
from guides.org.services import set_password
from yejibao.core.errors import DomainError
from yejibao.core.scope import Actor


class Command(BaseCommand):
    help = "设置总部同事的网页登录密码：bin/manage set_password 企业微信账号（密码从提示或标准输入读）。--remove 取消密码。"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("userid")
        parser.add_argument("--remove", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        person = Staff.objects.filter(wecom_user_id=options["userid"].casefold()).first()
        if person is None:
            raise CommandError(f"没有这个账号：{options['userid']}")
        password = None
        if not options["remove"]:
            password = getpass.getpass("新密码：") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
        try:
            set_password(person, password=password, actor=Actor.system("set_password"))
        except DomainError as refusal:
            raise CommandError(refusal.detail or str(refusal.title)) from None
        self.stdout.write(f"{person.name} 的密码已{'取消' if password is None else '设置'}。")
