"""Every skip rule once more at the moment of sending."""

from datetime import date, time, timedelta

import pytest

from crm.members.models import FriendLink, Member
from tasks.cadences.models import Enrollment
from tasks.followups import services, upkeep
from tasks.followups.models import PendingSend, Reach, Task, TaskMove
from tasks.followups.services import QuietHours
from tests.factories.crm import make_friend, make_order, make_ticket
from tests.factories.guides import Org, actor, make_staff, make_store
from tests.factories.tasks import enroll, hand, local, make_task, open_at, open_until, task_of
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Conflict, Invalid

from .conftest import NOON, SECOND, prepare, refused, sent

pytestmark = pytest.mark.django_db


@pytest.fixture
def d30(org: Org, cycle: Enrollment) -> Task:
    """The outfit step, open since the morning of 2025-03-31."""
    open_until("2025-03-31 10:00")
    Task.objects.exclude(node="d30").update(state="done", done_at=NOON)
    return task_of(cycle, "d30")


LATE = parse_iso("2025-03-31 12:00")


def test_a_closed_account_cancels(org: Org, d30: Task, member: Member) -> None:
    Member.objects.update(status="closed")
    assert refused(d30, org.guide, LATE) == "member_deleted"
    assert (d30.state, d30.closed_reason) == ("cancelled", "member_deleted")


def test_a_full_return_the_engine_has_not_heard_of_cancels(org: Org, d30: Task, cycle: Enrollment) -> None:
    cycle.anchor_order.status, cycle.anchor_order.net_amount_fen = "returned", 0
    cycle.anchor_order.save()
    assert refused(d30, org.guide, LATE) == "returned_full"
    assert d30.state == "cancelled"


def test_a_purchase_the_engine_has_not_heard_of_waits_for_its_event(org: Org, d30: Task, member: Member) -> None:
    order = make_order(member, paid_at="2025-03-31 11:59", guide=org.guide)
    assert refused(d30, org.guide, LATE) == "repurchased"
    assert d30.state == "open"
    enroll(order)
    d30.refresh_from_db()
    assert d30.state == "superseded"


def test_do_not_contact_skips(org: Org, task: Task) -> None:
    Member.objects.update(do_not_contact=True)
    assert refused(task, org.guide) == "do_not_contact"
    assert (task.state, task.closed_reason, task.tell_at) == ("skipped", "do_not_contact", None)


def test_opt_out_skips_selling_and_leaves_service(org: Org, d30: Task, member: Member) -> None:
    Member.objects.update(marketing_opt_out=["wecom_message"])
    assert refused(d30, org.guide, LATE) == "unsubscribed"
    assert d30.state == "skipped"
    service = make_task(member, org.guide, now=LATE)
    assert prepare(service, org.guide, LATE)


def test_an_open_complaint_holds_selling_only(org: Org, d30: Task, member: Member, cycle: Enrollment) -> None:
    make_ticket(member, kind="complaint", order=cycle.anchor_order, opened_at=LATE)
    assert refused(d30, org.guide, LATE) == "complaint_open"
    assert (d30.state, d30.held_reason, d30.held_at) == ("open", "aftersale", LATE)
    with pytest.raises(Conflict):
        prepare(d30, org.guide, LATE)
    Task.objects.filter(pk=task_of(cycle, "d3").pk).update(state="open", done_at=None)
    assert prepare(task_of(cycle, "d3"), org.guide, parse_iso("2025-03-05 12:00"))


@pytest.mark.parametrize(
    ("node", "consent", "tier", "state", "channel"),
    [
        ("d3", True, "common", "open", "manual_call"), ("d3", False, "core", "skipped", "wecom_message"),
        ("d30", True, "core", "skipped", "wecom_message"), ("d90", True, "core", "open", "manual_call"),
        ("d90", True, "common", "skipped", "wecom_message"),
    ],
)  # fmt: skip
def test_a_lost_friend(
    org: Org, member: Member, cycle: Enrollment, node: str, consent: bool, tier: str, state: str, channel: str
) -> None:
    day = {"d3": "2025-03-04", "d30": "2025-03-31", "d90": "2025-05-30"}[node]
    open_until(f"{day} 10:00")
    FriendLink.objects.update(state="blocked", ended_at=NOON)
    Member.objects.update(phone_consent=consent, tier_631=tier)
    task = task_of(cycle, node)
    assert refused(task, org.guide, parse_iso(f"{day} 12:00")) == "friend_lost"
    assert (task.state, task.channel) == (state, channel)


def test_a_friend_on_the_way_to_the_heir_is_waited_for(org: Org, task: Task) -> None:
    heir = make_staff("guide", store=org.store)
    FriendLink.objects.update(state="pending_transfer")
    Task.objects.update(assignee=heir)
    task.refresh_from_db()
    assert refused(task, heir) == "friend_pending"
    assert (task.state, task.channel) == ("open", "wecom_message")


def test_somebody_else_contacted_him_today_shifts_one_day(org: Org, d30: Task, member: Member) -> None:
    sent(make_task(member, org.stranger, now=LATE), org.stranger, LATE)
    assert refused(d30, org.guide, LATE) == "member_cap"
    assert (d30.state, local(d30.hidden_until), d30.hidden_reason) == ("open", "2025-04-01 09:30", "")
    assert (local(d30.due_at), local(d30.tell_at)) == ("2025-04-02 22:00", "2025-04-01 09:30")
    assert TaskMove.objects.get().reason == "cap"
    assert prepare(d30, org.guide, parse_iso("2025-04-01 10:00"))


def test_shifted_past_its_due_the_due_moves_along_and_past_its_end_it_is_skipped(org: Org, member: Member) -> None:
    sent(make_task(member, org.stranger, now=NOON), org.stranger, NOON)
    due = make_task(member, org.guide, now=NOON - timedelta(hours=2))
    assert refused(due, org.guide) == "member_cap"
    move = TaskMove.objects.get()
    assert (local(move.old_due_at), local(move.new_due_at), local(due.due_at)) == (
        "2025-03-04 18:00", "2025-03-05 22:00", "2025-03-05 22:00",
    )  # fmt: skip
    tonight = make_task(member, org.guide, now=NOON, due_at=NOON, expire_at=parse_iso("2025-03-04 22:00"))
    assert refused(tonight, org.guide) == "member_cap"
    assert (tonight.state, tonight.closed_reason) == ("skipped", "member_cap")


def test_a_repeat_of_the_same_task_is_no_second_contact(org: Org, task: Task) -> None:
    sent(task, org.guide)
    services.undo(task, actor=actor(org.guide), now=NOON + SECOND)
    assert prepare(task, org.guide, NOON + 2 * SECOND)


def test_the_weekly_cap_spares_service_steps(org: Org, d30: Task, member: Member) -> None:
    for day in ("2025-03-27", "2025-03-29"):
        Reach.objects.create(member=member, guide=org.guide, channel="wecom_message", nature="service", level=2,
                             at=parse_iso(f"{day} 10:00"), day=date.fromisoformat(day))  # fmt: skip
    care = make_task(member, org.guide, now=LATE, task_type="aftersale_care")
    assert prepare(care, org.guide, LATE)
    assert refused(d30, org.guide, LATE) == "member_cap"
    assert local(d30.hidden_until) == "2025-04-01 09:30"


def test_an_empty_text_is_no_message(org: Org, task: Task) -> None:
    with pytest.raises(Invalid):
        services.prepare_send(task, actor=actor(org.guide), script_key="", text="  ", now=NOON)


def test_one_prepared_send_a_chat(org: Org, task: Task, member: Member) -> None:
    prepare(task, org.guide)
    prepare(make_task(member, org.guide, now=NOON), org.guide)
    assert PendingSend.objects.get().task_id != task.pk


def test_a_held_or_ended_task_is_not_sent(org: Org, task: Task) -> None:
    Task.objects.update(held_at=NOON, held_reason="aftersale")
    with pytest.raises(Conflict):
        prepare(task, org.guide)
    Task.objects.update(held_at=None, held_reason=None, state="expired")
    with pytest.raises(Conflict):
        services.record_claimed(task, actor=actor(org.guide), now=NOON)


def test_store_hours_are_those_of_the_assignee(org: Org, member: Member) -> None:
    early = make_store(closes_at=time(20, 0))
    guide = make_staff("guide", store=early)
    make_friend(member, guide, external_user_id="wmOther")
    task = make_task(member, guide, now=NOON)
    with pytest.raises(QuietHours):
        sent(task, guide, parse_iso("2025-03-04 20:30"))


def test_hand_and_task_agree_after_the_last_skip(org: Org, cycle: Enrollment) -> None:
    """A step that is refused for good ends the cycle when it was the last."""
    open_until("2025-05-30 10:00")
    upkeep.expire_tasks(now=parse_iso("2025-05-30 10:00"))
    Member.objects.update(do_not_contact=True)
    assert refused(task_of(cycle, "d90"), org.guide, parse_iso("2025-05-30 12:00")) == "do_not_contact"
    assert hand(cycle) == (None, None)
    assert cycle.status == "completed"
    assert open_at("2025-06-30 12:00") == {}
