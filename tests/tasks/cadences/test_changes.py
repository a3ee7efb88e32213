"""What follows a change of the order into an open task: its reason, its reminders, the day it stands on."""

from datetime import timedelta

import pytest

from crm.members.models import Member
from tasks.cadences import changes
from tasks.cadences.models import Enrollment
from tasks.followups.models import Task
from tests.factories.crm import make_friend, make_member, make_order, make_ticket
from tests.factories.guides import Org, make_org
from tests.factories.tasks import enroll, hand, load_rules, local, open_until, task_of
from yejibao.core.clock import parse_iso

pytestmark = pytest.mark.django_db

PAID = "2025-03-01 15:00"
SUIT = {"item_name": "羊毛套西", "color": "藏青", "size": "175/92A", "care_key": "suit_wool", "paid_fen": 128000}
SHIRT = {"item_name": "免烫衬衫", "color": "白", "size": "41", "care_key": "shirt", "paid_fen": 49800}


@pytest.fixture
def org() -> Org:
    load_rules()
    return make_org()


@pytest.fixture
def member(org: Org) -> Member:
    member = make_member(owner=org.guide)
    make_friend(member)
    return member


def test_the_reason_names_what_is_still_his(org: Org, member: Member) -> None:
    order = make_order(member, paid_at=PAID, guide=org.guide, lines=[SUIT, SHIRT])
    enroll(order)
    open_until("2025-03-04 10:00")
    task = task_of(Enrollment.objects.get(), "d3")
    assert task.why == "藏青羊毛套西到手 3 天，问一句合不合身"
    order.lines.filter(line_no=1).update(returned_quantity=1)
    order.refunded_fen, order.net_amount_fen = 128000, 49800
    order.save()
    changes.follow_returns([order.pk], now=parse_iso("2025-03-04 12:00"))
    task.refresh_from_db()
    assert (task.why, [item["name"] for item in task.context["items"]]) == (
        "白免烫衬衫到手 3 天，问一句合不合身", ["免烫衬衫"],
    )  # fmt: skip


def test_an_order_that_joins_is_in_the_reason(org: Org, member: Member) -> None:
    enroll(make_order(member, paid_at=PAID, guide=org.guide, lines=[SHIRT]))
    open_until(PAID)
    enroll(make_order(member, paid_at="2025-03-01 15:10", guide=org.guide, lines=[SUIT]))
    assert Task.objects.get().why == "刚买走藏青羊毛套西等 2 件，还没收到你的致谢"


def test_a_moved_fit_question_is_reminded_on_its_new_day(org: Org, member: Member) -> None:
    order = make_order(member, paid_at=PAID, guide=org.guide)
    enroll(order)
    open_until("2025-03-04 10:00")
    task = task_of(Enrollment.objects.get(), "d3")
    Task.objects.filter(pk=task.pk).update(tell_at=None)
    now = parse_iso("2025-03-05 12:00")
    changes.follow_exchanges([order.pk], now, now=now)
    task.refresh_from_db()
    assert (local(task.due_at), local(task.tell_at)) == ("2025-03-08 22:00", "2025-03-08 09:30")


def test_signing_for_it_later_leaves_a_day_that_was_moved(org: Org, member: Member) -> None:
    order = make_order(member, paid_at=PAID, guide=org.guide, kind="mall", is_delivery=True)
    enroll(order)
    open_until(PAID)
    cycle = Enrollment.objects.get()
    ticket = make_ticket(
        member, kind="alteration", order=order, opened_at="2025-03-02 12:00", pickup_at="2025-03-14 12:00"
    )
    changes.follow_alterations([ticket.pk], now=parse_iso("2025-03-02 12:00"))
    assert hand(cycle) == ("d3", "2025-03-15 09:30")
    order.received_at = parse_iso("2025-03-04 12:00")
    order.save()
    changes.follow_receipts([order.pk], now=order.received_at + timedelta(minutes=1))
    assert hand(cycle) == ("d3", "2025-03-15 09:30")
