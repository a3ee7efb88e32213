"""`build_demo`: fill an empty database with a believable world up to now."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from yejibao.core import clock
from yejibao.demo import world


class Command(BaseCommand):
    help = "Build the demo world: 8 stores, 36 people in the field, 1,200 members, a year of purchases."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=int, default=world.DAYS)
        parser.add_argument("--members", type=int, default=world.MEMBERS)
        parser.add_argument("--company-only", action="store_true", help="rules, goods and organisation, no members")

    def handle(self, *, days: int, members: int, company_only: bool, **options: Any) -> None:
        if not world.fresh_world():
            raise CommandError("数据库里已经有人了，演示数据只放进空的数据库")
        if company_only:
            world.build_company(say=self._say, began=clock.now())
            return
        world.build(say=self._say, control=world.has_sandbox(), days=days, members=members)

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
