"""One order, one credit: to the last sure touch within seven days before paying (models.yaml attribution)."""

from datetime import date

import pytest

from crm.members.models import Member
from crm.orders.models import Order
from tasks.followups.credit import credit_orders
from tasks.followups.models import Reach, Task, TaskEvidence
from tests.factories.crm import make_member, make_order
from tests.factories.guides import Org, make_org
from tests.factories.tasks import make_task
from yejibao.core.clock import local_day, parse_iso

pytestmark = pytest.mark.django_db

NOW = parse_iso("2025-03-06 15:05")


@pytest.fixture
def org() -> Org:
    return make_org()


@pytest.fixture
def member(org: Org) -> Member:
    return make_member(owner=org.guide)


def reach(org: Org, member: Member, at: str, *, level: int = 2) -> Task:
    moment = parse_iso(at)
    task = make_task(member, org.guide, now=moment, state="done", done_at=moment)
    Reach.objects.create(member=member, guide=org.guide, task=task, channel="wecom_message", nature="service", level=level,
                         at=moment, day=local_day(moment))  # fmt: skip
    return task


def credit(*orders: Order) -> list[tuple[int, int]]:
    """Return (task, order) of every credit there is."""
    credit_orders([order.pk for order in orders], now=NOW)
    rows = TaskEvidence.objects.filter(kind="order_linked", level=5, is_auto=True).order_by("pk")
    return [(row.task_id, row.payload["order"]) for row in rows]


def test_the_last_touch_before_paying_gets_it(org: Org, member: Member) -> None:
    reach(org, member, "2025-03-01 12:00")
    last = reach(org, member, "2025-03-04 18:00")
    reach(org, member, "2025-03-06 15:00")  # not before
    order = make_order(member, paid_at="2025-03-06 15:00", amount_fen=9900)
    assert credit(order) == credit(order) == [(last.pk, order.pk)]
    last.refresh_from_db()
    assert (last.evidence_kind, last.evidence_level, last.evidence_at) == ("order_linked", 5, NOW)
    assert TaskEvidence.objects.get().payload == {"order": order.pk, "fen": 9900}


@pytest.mark.parametrize(("at", "counts"), [("2025-02-27 15:00", True), ("2025-02-27 14:59", False)])
def test_within_seven_days(org: Org, member: Member, at: str, counts: bool) -> None:
    reach(org, member, at)
    assert bool(credit(make_order(member, paid_at="2025-03-06 15:00"))) == counts


def test_a_claim_earns_nothing_and_neither_do_top_ups_returns_or_strangers(org: Org, member: Member) -> None:
    reach(org, member, "2025-03-05 12:00", level=0)
    assert credit(make_order(member, paid_at="2025-03-06 15:00")) == []
    reach(org, member, "2025-03-05 13:00")
    orders = [
        make_order(member, paid_at="2025-03-06 15:00", kind="top_up"),
        make_order(member, paid_at="2025-03-06 15:00", status="returned", net_amount_fen=0),
        make_order(None, paid_at="2025-03-06 15:00", store=org.store),
        make_order(make_member(owner=org.guide), paid_at="2025-03-06 15:00"),
    ]
    assert credit(*orders) == []


def test_two_orders_of_one_touch_are_two_credits(org: Org, member: Member) -> None:
    task = reach(org, member, "2025-03-05 12:00")
    orders = [make_order(member, paid_at=f"2025-03-06 1{hour}:00") for hour in (4, 5)]
    assert sorted(credit(*orders)) == [(task.pk, orders[0].pk), (task.pk, orders[1].pk)]
    assert Reach.objects.get().day == date(2025, 3, 5)
