"""Who is followed after a purchase, by which plan, and from which day."""

import pytest

from tasks.cadences import changes
from tasks.cadences.models import Enrollment
from tasks.followups.models import Task
from tests.factories.crm import make_member, make_order
from tests.factories.tasks import enroll, hand, local, open_until, task_of
from yejibao.core.clock import parse_iso

from .conftest import PAID, conserved

pytestmark = pytest.mark.django_db


def test_plan_and_priority_follow_the_purchase_node(org, member):
    for number in range(5):
        enroll(make_order(member, paid_at=f"2025-0{number + 1}-01 12:00", guide=org.guide))
    first, *_, loyal = Enrollment.objects.order_by("pk")
    assert (first.buyer, first.plan) == ("first", ["m30", "d3", "d30", "d60", "d90"])
    assert [e.buyer for e in Enrollment.objects.order_by("pk")] == ["first", "repeat", "repeat", "repeat", "loyal"]
    assert loyal.plan == ["m30", "d3", "d90"]


def test_first_time_buyers_get_the_key_touch_early(org, cycle, member):
    open_until("2025-03-31 10:00")
    assert task_of(cycle, "d30").priority == 2
    enroll(make_order(member, paid_at="2025-06-01 12:00", guide=org.guide))
    again = Enrollment.objects.order_by("-pk")[0]
    open_until("2025-07-31 10:00")
    assert (task_of(again, "d30").priority, task_of(again, "d60").priority) == (3, 3)


# ---------------------------------------------------------------- who is not followed


@pytest.mark.parametrize(
    ("facts", "member_facts", "reason"),
    [
        ({"kind": "top_up"}, {}, "order_kind"),
        ({"kind": "group"}, {}, "order_kind"),
        ({"amount_fen": 0}, {}, "amount_zero"),
        ({}, {"is_employee": True}, "employee"),
        ({}, {"status": "closed"}, "member_inactive"),
        ({"status": "returned", "net_amount_fen": 0}, {}, "amount_zero"),
    ],
)
def test_not_eligible_leaves_its_reason(org, facts, member_facts, reason):
    member = make_member(owner=org.guide, **member_facts)
    order = make_order(member, paid_at=PAID, guide=org.guide, **facts)
    assert enroll(order) == {"not_eligible": 1}
    assert order.enrollment_causes.get().reason == reason
    assert conserved()


def test_a_stranger_at_the_till_is_not_followed(org):
    order = make_order(None, paid_at=PAID, guide=org.guide)
    enroll(order)
    assert order.enrollment_causes.get().reason == "no_member"


def test_the_same_orders_twice_start_nothing_new(org, member):
    orders = [make_order(member, paid_at=PAID, guide=org.guide), make_order(member, paid_at=PAID, guide=org.guide)]
    assert enroll(*orders) == {"anchor": 1, "joined": 1}
    assert enroll(*orders) == {}
    assert Enrollment.objects.count() == 1


# ---------------------------------------------------------------- delivery


@pytest.mark.parametrize(
    ("received", "told_at", "opens", "anchor"),
    [
        ("2025-03-03 18:00", "2025-03-03 18:00", "2025-03-06 09:30", "2025-03-03"),
        (None, None, "2025-03-09 09:30", "2025-03-06"),
        ("2025-03-08 12:00", "2025-03-08 12:00", "2025-03-11 09:30", "2025-03-08"),
        ("2025-03-10 12:00", "2025-03-10 12:00", "2025-03-09 09:30", "2025-03-06"),
    ],
)
def test_delivery_counts_from_the_day_it_was_signed_for(org, member, received, told_at, opens, anchor):
    order = make_order(member, paid_at=PAID, guide=org.guide, kind="mall", is_delivery=True)
    enroll(order)
    cycle = Enrollment.objects.get()
    open_until("2025-03-03 12:00")
    assert hand(cycle) == ("d3", "2025-03-09 09:30")
    if received:
        open_until(told_at)
        order.received_at = parse_iso(received)
        order.save()
        changes.follow_receipts([order.pk], now=parse_iso(told_at))
    open_until("2025-03-31 10:00")
    cycle.refresh_from_db()
    assert (local(task_of(cycle, "d3").open_at), cycle.day_anchor_date.isoformat()) == (opens, anchor)


def test_delivery_example_moves_all_later_nodes(org, member):
    order = make_order(
        member, paid_at=PAID, guide=org.guide, kind="mall", is_delivery=True, received_at="2025-03-03 18:00"
    )
    enroll(order)
    open_until("2025-06-10 10:00")
    opened = {t.node: local(t.open_at) for t in Task.objects.exclude(node="m30")}
    assert opened == {
        "d3": "2025-03-06 09:30",
        "d30": "2025-04-02 09:30",
        "d60": "2025-05-02 09:30",
        "d90": "2025-06-01 09:30",
    }
