"""`issue_token --role ROLE --unit UNIT [--json]`: a token with which an outside test calls the API as a person."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from guides.org.tokens import LIFE, find_unit, issue_person_token
from yejibao.core import clock
from yejibao.core.errors import DomainError
from yejibao.core.management.scratch import ScratchCommand


class Command(ScratchCommand):
    help = (
        "发一个接口令牌：Authorization: Bearer 令牌，身份是该组织里担任该岗位的人（没有就建一个），看到的和他登录后一样；"
        "8 小时不用或满 24 小时失效。"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--role", required=True, help="岗位，如 guide、store_manager、hq_operator")
        parser.add_argument(
            "--unit", required=True, help="组织的编号或名称，如 s0、新街口店；写层级（hq、store）就取第一个"
        )
        parser.add_argument("--json", action="store_true", help="只输出一行 JSON")

    def handle(self, *args: Any, role: str, unit: str, **options: Any) -> None:
        now = clock.now()
        try:
            place = find_unit(unit)
            person, token = issue_person_token(role=role, unit=place, now=now)
        except DomainError as refusal:
            raise CommandError(refusal.detail or str(refusal.title)) from None
        if not options["json"]:
            self.stderr.write(f"{place.name} · {person.name}（{person.wecom_user_id}）的令牌：")
            self.stdout.write(token)
            return
        self.print_json(
            {
                "token": token,
                "role": role,
                "unit": place.code,
                "staff_id": person.pk,
                "userid": person.wecom_user_id,
                "expires_at": (clock.system_now() + LIFE).isoformat(),
            }
        )
