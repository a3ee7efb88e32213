"""What comes after: taken back within seconds, called, an outcome, left alone."""

from datetime import timedelta

import pytest

from crm.members.models import Member
from tasks.cadences.models import Enrollment
from tasks.followups import services, upkeep
from tasks.followups.models import Reach, Task, TaskEvidence
from tests.factories.crm import make_member, make_order
from tests.factories.guides import Org, actor
from tests.factories.tasks import enroll, local, make_task, open_until, task_of
from yejibao.core import outbox
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Conflict, Invalid

from .conftest import NOON, SECOND, sent

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("care", "seconds"), [(False, 5), (True, 10)])
def test_undo_within_seconds(org: Org, task: Task, care: bool, seconds: int) -> None:
    sent(task, org.guide, care_mode=care)
    with pytest.raises(Conflict):
        services.undo(task, actor=actor(org.guide), now=NOON + timedelta(seconds=seconds, microseconds=1))
    services.undo(task, actor=actor(org.guide), now=NOON + timedelta(seconds=seconds))
    assert (task.state, task.done_at, task.evidence_level) == ("open", None, 2)
    assert Reach.objects.count() == 1  # the message did leave
    sent(task, org.guide, NOON + timedelta(seconds=20))
    assert (task.state, Reach.objects.count()) == ("done", 1)
    assert [row.kind for row in TaskEvidence.objects.order_by("pk")] == ["chat_sent", "undone", "chat_sent"]


def test_a_claim_is_level_zero_and_undo_withdraws_it(org: Org, task: Task, member: Member) -> None:
    services.record_claimed(task, actor=actor(org.guide), text="自己写的", now=NOON)
    reach = Reach.objects.get()
    assert (task.state, task.evidence_kind, task.evidence_level, reach.level) == ("done", "chat_claimed", 0, 0)
    services.undo(task, actor=actor(org.guide), now=NOON + SECOND)
    assert (task.state, task.evidence_kind, task.evidence_level, Reach.objects.count()) == ("open", "", None, 0)
    member.refresh_from_db()
    assert member.last_contact_on is None


def test_undo_of_the_last_step_reactivates_the_cycle(org: Org, cycle: Enrollment) -> None:
    open_until("2025-05-30 10:00")
    last = task_of(cycle, "d90")
    upkeep.expire_tasks(now=parse_iso("2025-05-30 10:00"))
    now = parse_iso("2025-05-30 12:00")
    sent(last, org.guide, now)
    cycle.refresh_from_db()
    assert (cycle.status, cycle.closed_at) == ("completed", now)
    services.undo(last, actor=actor(org.guide), now=now + SECOND)
    cycle.refresh_from_db()
    assert (last.state, cycle.status, cycle.closed_at) == ("open", "active", None)
    sent(last, org.guide, now + 9 * SECOND)
    cycle.refresh_from_db()
    assert (cycle.status, cycle.closed_at) == ("completed", now + 9 * SECOND)


def test_undo_after_the_next_purchase_is_refused(org: Org, cycle: Enrollment, member: Member) -> None:
    open_until("2025-05-30 10:00")
    upkeep.expire_tasks(now=parse_iso("2025-05-30 10:00"))
    last, now = task_of(cycle, "d90"), parse_iso("2025-05-30 12:00")
    sent(last, org.guide, now)
    enroll(make_order(member, paid_at="2025-05-30 12:00", guide=org.guide))
    with pytest.raises(Conflict):
        services.undo(last, actor=actor(org.guide), now=now + SECOND)
    last.refresh_from_db()
    assert (last.state, TaskEvidence.objects.filter(task=last, kind="undone").exists()) == ("done", False)


def test_undo_plans_the_next_reminder(org: Org, cycle: Enrollment) -> None:
    open_until("2025-03-04 10:00")
    task = task_of(cycle, "d3")
    sent(task, org.guide)
    services.undo(task, actor=actor(org.guide), now=NOON + SECOND)
    task.refresh_from_db()
    assert local(task.tell_at) == "2025-03-04 19:30"


# ---------------------------------------------------------------- calls


def test_a_connected_call_is_level_two(org: Org, task: Task) -> None:
    services.log_call(task, actor=actor(org.guide), result="connected", note="很合身，说下周来", now=NOON)
    reach = Reach.objects.get()
    assert (task.state, task.evidence_kind, task.evidence_level) == ("done", "call_logged", 2)
    assert (reach.channel, reach.level) == ("manual_call", 2)


def test_nobody_answered_twice_on_different_days_closes_it(org: Org, task: Task) -> None:
    for at in ("2025-03-04 12:00", "2025-03-04 18:00"):
        services.log_call(task, actor=actor(org.guide), result="no_answer", note="没人接电话", now=parse_iso(at))
        assert (task.state, task.outcome) == ("open", "")
    services.log_call(
        task, actor=actor(org.guide), result="no_answer", note="还是没人接", now=parse_iso("2025-03-05 11:00")
    )
    assert (task.state, task.outcome, task.evidence_level, Reach.objects.count()) == ("done", "no_reply", 0, 0)


@pytest.mark.parametrize(("result", "note"), [("connected", "合身 "), ("connected", "    "), ("maybe", "说很合身的")])
def test_a_call_needs_a_result_and_a_note(org: Org, task: Task, result: str, note: str) -> None:
    with pytest.raises(Invalid):
        services.log_call(task, actor=actor(org.guide), result=result, note=note, now=NOON)
    assert TaskEvidence.objects.count() == 0


# ---------------------------------------------------------------- outcomes


def test_do_not_disturb_ends_all_his_open_work(org: Org, task: Task, member: Member) -> None:
    other = make_task(member, org.stranger, now=NOON)
    foreign = make_task(make_member(owner=org.guide), org.guide, now=NOON)
    sent(task, org.guide)
    services.set_outcome(task, actor=actor(org.guide), outcome="do_not_disturb", now=NOON)
    member.refresh_from_db()
    assert member.do_not_contact
    outbox.drain_events()
    states = dict(Task.objects.values_list("pk", "state"))
    assert states == {task.pk: "done", other.pk: "skipped", foreign.pk: "open"}


def test_contact_allowed_again_ends_nothing(org: Org, task: Task, member: Member) -> None:
    from crm.members.services import set_do_not_contact

    Member.objects.filter(pk=member.pk).update(do_not_contact=True)
    set_do_not_contact(member, actor=actor(org.guide), reason="他又愿意了", now=NOON, is_wanted=False)
    outbox.drain_events()
    task.refresh_from_db()
    assert task.state == "open"


def test_an_outcome_may_change_and_a_visit_is_level_four(org: Org, task: Task) -> None:
    sent(task, org.guide)
    services.set_outcome(task, actor=actor(org.guide), outcome="no_reply", now=NOON)
    visit = parse_iso("2025-03-08 14:00")
    services.set_outcome(task, actor=actor(org.guide), outcome="visit_booked", visit_at=visit, now=NOON)
    assert (task.outcome, task.evidence_kind, task.evidence_level, task.state) == (
        "visit_booked", "visit_booked", 4, "done",
    )  # fmt: skip
    with pytest.raises(Invalid):
        services.set_outcome(task, actor=actor(org.guide), outcome="happy", now=NOON)
