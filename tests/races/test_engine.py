"""The engine with two of everything: each order one cause, each step one task, each message one row."""

import json
from collections import Counter
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from crm.members.models import Member
from crm.orders.models import Order
from tasks.cadences.conservation import prove
from tasks.cadences.enrolling import enroll_orders
from tasks.cadences.models import Cadence, Enrollment, EnrollmentCause
from tasks.followups.models import Task
from tasks.followups.opening import open_due
from tasks.followups.tick import tick
from tests.conftest import TestClock
from tests.factories.crm import make_friend, make_member, make_order, order_row
from tests.factories.guides import Org, make_org
from tests.factories.tasks import enroll, load_rules
from yejibao.core import outbox
from yejibao.core.clock import parse_iso
from yejibao.core.models import OutboxMessage

from .at_once import at_once

pytestmark = pytest.mark.django_db(transaction=True)

PAID = parse_iso("2025-03-01 15:00")
UNIQUE = "task_step_opens_once"


@pytest.fixture
def org(clock: TestClock) -> Org:
    clock.travel(PAID)
    load_rules()
    return make_org()


@pytest.fixture
def members(org: Org) -> list[Member]:
    people = [make_member(owner=org.guide, member_no=f"M{number:02}") for number in range(12)]
    for member in people:
        make_friend(member)
    return people


def buy(org: Org, member: Member, **facts: Any) -> Order:
    return make_order(member, paid_at=PAID, guide=org.guide, **facts)


def conserved() -> bool:
    return prove(cadence_id=Cadence.objects.get().pk).missing == 0


# ---------------------------------------------------------------- orders


def test_two_orders_of_one_member_at_one_instant_are_one_cycle(org: Org, members: list[Member]) -> None:
    orders = [[buy(org, member), buy(org, member)] for member in members]
    answers = at_once(
        lambda: enroll_orders([first.pk for first, _ in orders], now=PAID),
        lambda: enroll_orders([second.pk for _, second in orders], now=PAID),
    )
    assert sorted(answers, key=str) == [{"anchor": 12}, {"joined": 12}]
    assert (Enrollment.objects.count(), EnrollmentCause.objects.count()) == (12, 24)
    assert {len(items) for items in Enrollment.objects.values_list("items", flat=True)} == {2}
    assert conserved()


def test_the_same_orders_in_two_connections_have_one_cause_each(org: Org, members: list[Member]) -> None:
    ids = [buy(org, member).pk for member in members]
    answers = at_once(*[lambda: enroll_orders(ids, now=PAID)] * 3)
    assert sorted(answers, key=str) == [{"anchor": 12}, {}, {}]


def test_a_feed_batch_sent_twice_is_one_batch(org: Org, members: list[Member]) -> None:
    """Over HTTP, at the same time, and drained by two workers at the same time."""
    out = StringIO()
    call_command("feed_token", "pos", stdout=out, stderr=StringIO())
    rows = [
        order_row(f"A{number:03}", store=org.store.code, guide=org.guide.wecom_user_id,
                  member=members[number % 12].member_no, paid_at="2025-03-01T14:58:00+08:00")
        for number in range(24)
    ]  # fmt: skip

    def post() -> Counter[str]:
        answer = Client().post(
            "/api/v1/feed/orders", json.dumps({"orders": rows}), content_type="application/json",
            headers={"Authorization": f"Bearer {out.getvalue().strip()}"},
        )  # fmt: skip
        assert answer.status_code == 200, answer.content
        return Counter(row["result"] for row in answer.json()["results"])

    answers = at_once(post, post)
    assert sum(answers, Counter()) == {"created": 24, "same": 24}
    at_once(*[lambda: outbox.drain_events(seconds=5)] * 2)
    outbox.drain_events()
    assert Counter(EnrollmentCause.objects.values_list("role", flat=True)) == {"anchor": 12, "joined": 12}
    at_once(*[lambda: tick(now=PAID)] * 2)
    tick(now=PAID)
    assert Counter(Task.objects.values_list("node", flat=True)) == {"m30": 12}
    assert OutboxMessage.objects.filter(kind="task").count() == 12
    assert conserved()


# ---------------------------------------------------------------- openers


@pytest.fixture
def due(org: Org, members: list[Member]) -> list[int]:
    """Twelve first touches that are due."""
    enroll(*[buy(org, member) for member in members])
    return list(Enrollment.objects.values_list("pk", flat=True))


def opened() -> tuple[Counter[str], set[tuple[str | None, int]]]:
    """Return how many tasks stand by step, and where the hands stand with what they skipped."""
    return (
        Counter(Task.objects.values_list("node", flat=True)),
        set(Enrollment.objects.values_list("hand__next_step", "steps_skipped")),
    )


def test_two_openers_at_once_open_each_step_once(due: list[int]) -> None:
    at_once(*[lambda: open_due(now=PAID, batch=3)] * 3)
    open_due(now=PAID)
    assert opened() == (Counter(m30=12), {("d3", 0)})
    assert conserved()
