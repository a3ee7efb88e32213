"""Take a person's second factor away at the server: for the last administrator who lost his phone."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from guides.org.models import Staff
from guides.org.second_factor import reset_second_factor
from yejibao.core.scope import Actor


class Command(BaseCommand):
    help = (
        "取消一个人的动态码，下次登录或再确认时重新绑定：bin/manage reset_second_factor 企业微信账号 --reason 手机丢了"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("userid")
        parser.add_argument("--reason", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        person = Staff.objects.filter(wecom_user_id=options["userid"].casefold()).first()
        if person is None:
            raise CommandError(f"没有这个账号：{options['userid']}")
        reset_second_factor(person, actor=Actor.system("reset_second_factor"), reason=options["reason"])
        self.stdout.write(f"{person.name} 的动态码已取消。")
