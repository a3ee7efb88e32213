"""What happens to the piece meanwhile changes the steps: returns, exchanges, alterations, complaints."""

from datetime import date

import pytest

from crm.aftersale.models import Ticket
from tasks.cadences import changes
from tasks.cadences.models import Enrollment
from tasks.followups import upkeep
from tasks.followups.models import Task, TaskMove
from tasks.followups.services import open_care_tasks
from tests.factories.crm import make_order, make_ticket
from tests.factories.tasks import enroll, hand, local, open_at, open_until, task_of
from yejibao.core.clock import parse_iso

from .conftest import PAID, conserved

pytestmark = pytest.mark.django_db


def give_back(order, fen=None):
    fen = fen or order.net_amount_fen
    order.refunded_fen += fen
    order.net_amount_fen -= fen
    order.status = "paid" if order.net_amount_fen else "returned"
    order.save()


def test_full_return_cancels_and_leaves_one_care_task(org, cycle):
    open_at(PAID)
    give_back(cycle.anchor_order)
    cancelled = changes.follow_returns([cycle.anchor_order_id], now=parse_iso("2025-03-03 12:00"))
    open_care_tasks(cancelled, returned_on=date(2025, 3, 3), now=parse_iso("2025-03-03 12:00"))
    open_care_tasks(cancelled, returned_on=date(2025, 3, 3), now=parse_iso("2025-03-03 12:00"))
    cycle.refresh_from_db()
    assert (cycle.status, cycle.closed_reason, cycle.steps_cancelled, hand(cycle)[0]) == (
        "cancelled",
        "returned_full",
        4,
        None,
    )
    assert task_of(cycle, "m30").state == "cancelled"
    care = Task.objects.get(task_type="aftersale_care")
    assert (local(care.due_at), care.nature, care.enrollment_id) == ("2025-03-04 22:00", "service", None)
    assert conserved()


def test_return_before_the_engine_heard_of_it_is_caught_at_opening(org, cycle):
    give_back(cycle.anchor_order)
    assert open_at(PAID) == {"cancel:returned_full": 1}
    cycle.refresh_from_db()
    assert (cycle.status, cycle.steps_cancelled) == ("cancelled", 5)


def test_return_of_one_of_two_joined_orders_shrinks_the_items(org, cycle, member):
    second = make_order(member, paid_at="2025-03-01 17:00", guide=org.guide, lines=[
        {"item_name": "免烫衬衫", "color": "白", "size": "41", "care_key": "shirt", "paid_fen": 49800}])  # fmt: skip
    enroll(second)
    cycle.anchor_order.lines.update(returned_quantity=1)
    give_back(cycle.anchor_order)
    assert changes.follow_returns([cycle.anchor_order_id], now=parse_iso("2025-03-02 10:00")) == []
    cycle.refresh_from_db()
    assert (cycle.status, [item["name"] for item in cycle.items]) == ("active", ["免烫衬衫"])


def test_return_of_the_superseding_order_leaves_the_old_cycle_superseded(org, cycle, member):
    later = make_order(member, paid_at="2025-03-10 12:00", guide=org.guide)
    enroll(later)
    give_back(later)
    changes.follow_returns([later.pk], now=parse_iso("2025-03-11 12:00"))
    assert list(Enrollment.objects.order_by("pk").values_list("status", flat=True)) == ["superseded", "cancelled"]
    assert conserved()


def test_exchange_moves_the_fit_question_before_it_opens(org, cycle):
    open_at(PAID)
    changes.follow_exchanges([cycle.anchor_order_id], parse_iso("2025-03-03 12:00"), now=parse_iso("2025-03-03 12:00"))
    assert hand(cycle) == ("d3", "2025-03-06 09:30")
    open_until("2025-04-01 10:00")
    assert local(task_of(cycle, "d3").due_at) == "2025-03-06 22:00"
    assert local(task_of(cycle, "d30").open_at) == "2025-03-31 09:30"


def test_exchange_moves_the_dates_of_an_open_fit_question(org, cycle):
    open_until("2025-03-04 10:00")
    changes.follow_exchanges([cycle.anchor_order_id], parse_iso("2025-03-05 12:00"), now=parse_iso("2025-03-05 12:00"))
    task = task_of(cycle, "d3")
    assert (local(task.due_at), local(task.expire_at)) == ("2025-03-08 22:00", "2025-03-11 22:00")
    move = TaskMove.objects.get()
    assert (move.reason, local(move.old_due_at), local(move.new_due_at)) == (
        "exchange",
        "2025-03-04 22:00",
        "2025-03-08 22:00",
    )


def test_alteration_waits_for_the_pick_up(org, cycle, member):
    open_at(PAID)
    ticket = make_ticket(
        member,
        kind="alteration",
        order=cycle.anchor_order,
        opened_at=parse_iso("2025-03-02 12:00"),
        pickup_at=parse_iso("2025-03-06 12:00"),
    )
    changes.follow_alterations([ticket.pk], now=parse_iso("2025-03-02 12:00"))
    assert hand(cycle) == ("d3", "2025-03-07 09:30")


def test_alteration_without_a_date_waits_until_day_ten_at_the_latest(org, cycle, member):
    open_at(PAID)
    make_ticket(member, kind="alteration", order=cycle.anchor_order, opened_at=parse_iso("2025-03-02 12:00"))
    assert open_at("2025-03-04 09:30") == {"alter": 1}
    assert hand(cycle) == ("d3", "2025-03-11 09:30")
    assert open_at("2025-03-11 09:30") == {"open": 1}


def test_open_complaint_holds_selling_steps_and_releases_them_two_days_after(org, cycle, member):
    open_until("2025-03-05 10:00")
    ticket = make_ticket(member, kind="complaint", order=cycle.anchor_order, opened_at=parse_iso("2025-03-20 10:00"))
    open_until("2025-03-31 09:30")
    task = task_of(cycle, "d30")
    assert (task.held_reason, task.state) == ("aftersale", "open")
    assert upkeep.expire_tasks(now=parse_iso("2025-04-30 10:00")) == 2  # m30 and d3, not the held one
    Ticket.objects.filter(pk=ticket.pk).update(state="closed", closed_at=parse_iso("2025-04-02 12:00"))
    assert upkeep.release_held(now=parse_iso("2025-04-04 11:00"))["aftersale"] == 0
    assert upkeep.release_held(now=parse_iso("2025-04-04 12:00"))["aftersale"] == 1
    task.refresh_from_db()
    assert (task.held_at, local(task.due_at), local(task.expire_at)) == (None, "2025-04-04 22:00", "2025-04-07 22:00")


def test_release_after_the_end_is_a_skip(org, cycle, member):
    open_until("2025-03-05 10:00")
    ticket = make_ticket(member, kind="return", order=cycle.anchor_order, opened_at=parse_iso("2025-03-20 12:00"))
    open_until("2025-03-31 09:30")
    Ticket.objects.filter(pk=ticket.pk).update(state="closed", closed_at=parse_iso("2025-04-06 12:00"))
    upkeep.release_held(now=parse_iso("2025-04-08 12:00"))
    task = task_of(cycle, "d30")
    assert (task.state, task.closed_reason) == ("skipped", "aftersale_open")
    assert conserved()
