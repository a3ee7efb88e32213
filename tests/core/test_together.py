"""What panels read together: one statement for all, each alone where that one fails."""

from typing import Any

import pytest
from django.db import connection
from django.http import HttpRequest
from django.test.utils import CaptureQueriesContext

from crm.members.models import Member
from tests.factories.crm import make_member
from tests.factories.guides import Org, actor, make_org
from yejibao.core import together
from yejibao.core.scope import Actor
from yejibao.core.together import Read

pytestmark = pytest.mark.django_db
ONE = "crm_member m WHERE m.id = %(member)s"
NAME = Read("name", "to_json(m.name)", str)
FIRST = Read("first", "to_json(left(m.name, %(first_many)s))", str, facts=lambda _: {"first_many": 1})
BROKEN = Read("broken", "to_json(m.no_such_column)", str)
SEEN = Read(
    "seen",
    "(SELECT json_agg(x.name) FROM crm_member x WHERE x.id IN (%(scope)s))",
    lambda names: sorted(names or []),
    scope=lambda who: together.visible_ids(Member, who),
)


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel("2026-03-04 10:00")
    return make_org()


def page(member: Member | None, who: Actor) -> HttpRequest:
    request = HttpRequest()
    together.about(request, ONE, {"member": member.pk if member else 0}, actor=who)
    return request


def test_all_of_it_is_one_statement_and_read_once(org: Org) -> None:
    member = make_member(owner=org.guide, name="王建平")
    make_member(owner=org.stranger, name="赵启明")
    request = page(member, actor(org.guide))
    with CaptureQueriesContext(connection) as asked:
        together.fetch(request, [NAME, FIRST, SEEN, NAME])
        found = NAME.of(request), FIRST.of(request), SEEN.of(request)
    assert found == ("王建平", "王", ["王建平"])
    assert len([one for one in asked if "SAVEPOINT" not in one["sql"]]) == 1


def test_who_sees_nothing_gets_none_of_it(org: Org) -> None:
    member = make_member(owner=org.guide)
    assert SEEN.of(page(member, Actor())) == []
    assert SEEN.about(ONE, {"member": member.pk}) == [member.name]  # the system sees everything


def test_one_that_breaks_does_not_take_the_others_with_it(org: Org, caplog: pytest.LogCaptureFixture) -> None:
    request = page(make_member(owner=org.guide, name="王建平"), actor(org.guide))
    together.fetch(request, [NAME, BROKEN])
    assert NAME.of(request) == "王建平"
    assert "could not be read together" in caplog.text


def test_without_a_row_each_gets_none(org: Org) -> None:
    request = page(None, actor(org.guide))
    together.fetch(request, [SEEN])
    assert SEEN.of(request) == []


def test_an_upper_department_says_what_a_lower_one_asks_for(org: Org) -> None:
    promised: Read[str] = Read("promised", "NULL::json", lambda value: str(value or "nobody"))
    member = make_member(owner=org.guide, name="王建平")
    assert promised.about(ONE, {"member": member.pk}) == "nobody"
    promised.says("to_json(m.name)", str)
    assert promised.about(ONE, {"member": member.pk}) == "王建平"
