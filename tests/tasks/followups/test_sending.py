"""Sending, claiming, calling, taking back; and every skip rule once more at the moment of sending."""

from datetime import date, time, timedelta
from typing import Any

import pytest
from django.test import Client

from crm.members.models import FriendLink, Member
from guides.org.models import Staff
from tasks.cadences.models import Enrollment
from tasks.followups import services, upkeep
from tasks.followups.models import PendingSend, Reach, Task, TaskEvidence, TaskMove
from tasks.followups.services import NotSendable, NotYourTask, QuietHours
from tasks.scripts.loading import load_scripts
from tasks.scripts.models import ScriptUse
from tests.conftest import TestClock
from tests.factories.crm import make_friend, make_member, make_order, make_ticket
from tests.factories.guides import Org, actor, holder_of, make_org, make_staff, make_store, sign_in
from tests.factories.tasks import LOADED_AT, enroll, hand, load_rules, local, make_task, open_at, open_until, task_of
from yejibao.core import outbox
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.models import AuditEntry

pytestmark = pytest.mark.django_db

PAID = "2025-03-01 15:00"
NOON = parse_iso("2025-03-04 12:00")
SECOND = timedelta(seconds=1)


@pytest.fixture
def org(clock: TestClock) -> Org:
    clock.travel(NOON)
    load_rules()
    return make_org()


@pytest.fixture
def member(org: Org) -> Member:
    member = make_member(owner=org.guide, salutation="王哥")
    make_friend(member)
    return member


@pytest.fixture
def task(org: Org, member: Member) -> Task:
    """An open d3 without a cycle, due at six in the evening."""
    return make_task(member, org.guide, now=parse_iso("2025-03-04 10:00"))


@pytest.fixture
def cycle(org: Org, member: Member) -> Enrollment:
    enroll(make_order(member, paid_at=PAID, guide=org.guide))
    return Enrollment.objects.get()


def prepare(task: Task, person: Staff, now: Any = NOON, **facts: Any) -> PendingSend:
    return services.prepare_send(task, actor=actor(person), script_key="", text="王哥，合身吗？", now=now, **facts)


def sent(task: Task, person: Staff, now: Any = NOON, **facts: Any) -> Task:
    return services.record_sent(task, actor=actor(person), text="王哥，合身吗？", now=now, **facts)


def refused(task: Task, person: Staff, now: Any = NOON) -> str:
    """Return the reason a send was refused for, with the task as it stands now."""
    with pytest.raises(NotSendable) as refusal:
        prepare(task, person, now)
    assert str(refusal.value) and "%" not in str(refusal.value)
    task.refresh_from_db()
    assert not PendingSend.objects.filter(task=task).exists()
    return str(refusal.value.extra["reason"])


# ---------------------------------------------------------------- sent


def test_sent_is_done_with_evidence_reach_and_words(org: Org, task: Task) -> None:
    load_scripts(now=LOADED_AT)
    prepare(task, org.guide)
    assert (task.evidence_kind, task.evidence_level, task.state) == ("tool_opened", 1, "open")
    services.record_sent(
        task, actor=actor(org.guide), text="改过的话", script_key="d3_any_fit", was_edited=True,
        receipt={"errMsg": "sendChatMessage:ok"}, now=NOON + SECOND,
    )  # fmt: skip
    assert (task.state, task.done_at, task.done_by_id) == ("done", NOON + SECOND, org.guide.pk)
    assert (task.evidence_kind, task.evidence_level, task.evidence_at) == ("chat_sent", 2, NOON + SECOND)
    assert list(TaskEvidence.objects.order_by("pk").values_list("kind", "level", "is_auto", "on_behalf_of")) == [
        ("tool_opened", 1, False, None),
        ("chat_sent", 2, True, None),
    ]
    reach = Reach.objects.get()
    assert (reach.task_id, reach.guide_id, reach.level, reach.day) == (task.pk, org.guide.pk, 2, date(2025, 3, 4))
    use = ScriptUse.objects.get()
    assert (use.script_key, use.was_edited, use.text) == ("d3_any_fit", True, "改过的话")
    assert PendingSend.objects.get().used_at == NOON + SECOND
    assert Member.objects.get().last_contact_on == date(2025, 3, 4)


@pytest.mark.parametrize(
    ("closes", "at", "is_open"),
    [
        ("22:00", "09:29:59", False), ("22:00", "09:30:00", True), ("22:00", "21:59:59", True), ("22:00", "22:00:00", False),
        ("21:30", "21:29:59", True), ("21:30", "21:30:00", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("act", ["prepare", "sent", "claimed", "call"])
def test_nothing_leaves_in_quiet_hours(org: Org, task: Task, closes: str, at: str, is_open: bool, act: str) -> None:
    org.store.closes_at = time.fromisoformat(closes)
    org.store.save()
    now, who = parse_iso(f"2025-03-04 {at}"), actor(org.guide)

    def run() -> None:
        if act == "prepare":
            prepare(task, org.guide, now)
        elif act == "sent":
            sent(task, org.guide, now)
        elif act == "claimed":
            services.record_claimed(task, actor=who, now=now)
        else:
            services.log_call(task, actor=who, result="connected", note="说很合身的", now=now)

    if is_open:
        return run()
    with pytest.raises(QuietHours) as refusal:
        run()
    assert (refusal.value.code, refusal.value.title) == ("quiet_hours", "免打扰时段")
    task.refresh_from_db()
    assert (task.state, TaskEvidence.objects.count(), Reach.objects.count()) == ("open", 0, 0)


def test_the_same_receipt_twice_counts_once(org: Org, task: Task) -> None:
    first = sent(task, org.guide)
    again = sent(Task.objects.get(), org.guide, NOON + 2 * SECOND)
    assert (again.done_at, again.undo_until) == (first.done_at, first.undo_until)
    assert (TaskEvidence.objects.count(), Reach.objects.count(), ScriptUse.objects.count()) == (1, 1, 1)


def test_claimed_twice_is_a_conflict(org: Org, task: Task) -> None:
    services.record_claimed(task, actor=actor(org.guide), now=NOON)
    with pytest.raises(Conflict):
        services.record_claimed(Task.objects.get(), actor=actor(org.guide), now=NOON + SECOND)


def test_superseded_between_prepare_and_receipt_keeps_its_state_and_the_proof(org: Org, cycle: Enrollment) -> None:
    open_until("2025-03-04 10:00")
    task = task_of(cycle, "d3")
    prepare(task, org.guide)
    enroll(make_order(task.member, paid_at="2025-03-04 12:00", guide=org.guide))
    sent(task, org.guide, NOON + SECOND)
    assert (task.state, task.closed_reason, task.evidence_kind, task.evidence_level) == (
        "superseded", "repurchased", "chat_sent", 2,
    )  # fmt: skip
    assert Reach.objects.get().task_id == task.pk
    sent(task, org.guide, NOON + 2 * SECOND)
    assert TaskEvidence.objects.filter(kind="chat_sent").count() == 1


def test_sent_after_the_task_was_handed_on_is_kept(org: Org, task: Task, client: Client) -> None:
    """She had prepared it and the message left; the colleague need not write again."""
    colleague = make_staff("guide", store=org.store)
    prepare(task, org.guide)
    services.reassign([task], actor=actor(org.manager), to=colleague, reason="去吃饭了", now=NOON)
    address = f"/api/v1/tasks/{task.pk}/sent/"
    body = {"text": "王哥，合身吗？", "receipt": {"errMsg": "sendChatMessage:ok"}}
    for person, status in ((org.stranger, 404), (org.guide, 200)):
        assert sign_in(client, person).post(address, body, content_type="application/json").status_code == status
    task.refresh_from_db()
    proof = TaskEvidence.objects.get(kind="chat_sent")
    assert (task.state, proof.by_id, proof.on_behalf_of_id) == ("done", org.guide.pk, colleague.pk)
    assert sign_in(client, org.guide).get(f"/api/v1/tasks/{task.pk}/").status_code == 404


def test_ticked_together_both_are_done_by_one_contact(org: Org, task: Task, member: Member) -> None:
    main = make_task(member, org.guide, now=NOON, priority=1, task_type="followup_m30")
    others = [make_task(make_member(owner=org.guide), org.guide, now=NOON), make_task(member, org.stranger, now=NOON)]
    sent(main, org.guide, also=[task.pk, *[other.pk for other in others]])
    assert list(Task.objects.filter(state="done").order_by("pk")) == [task, main]
    assert Reach.objects.get().task_id == main.pk  # the main card is the contact
    services.undo(main, actor=actor(org.guide), now=NOON + SECOND)
    assert set(Task.objects.values_list("state", flat=True)) == {"open"}


# ---------------------------------------------------------------- who


def test_a_manager_acts_for_her_guide_and_it_is_written(org: Org, task: Task) -> None:
    prepare(task, org.manager)
    sent(task, org.manager)
    evidence = TaskEvidence.objects.order_by("-pk")[0]
    assert (task.done_by_id, evidence.by_id, evidence.on_behalf_of_id) == (org.manager.pk, org.manager.pk, org.guide.pk)
    entry = AuditEntry.objects.get(action="task.completed")
    assert (entry.actor_id, entry.on_behalf_of_id, entry.resource_id) == (org.manager.pk, org.guide.pk, str(task.pk))


@pytest.mark.parametrize("who", ["stranger", "colleague", "other manager", "area_supervisor", "hq_operator"])
def test_nobody_else_acts(org: Org, task: Task, who: str) -> None:
    person = {
        "stranger": lambda: org.stranger,
        "colleague": lambda: make_staff("guide", store=org.store),
        "other manager": lambda: make_staff("store_manager", store=org.other_store),
    }.get(who, lambda: holder_of(who, org))()
    for act in (
        lambda: prepare(task, person),
        lambda: sent(task, person),
        lambda: services.record_claimed(task, actor=actor(person), now=NOON),
        lambda: services.set_outcome(task, actor=actor(person), outcome="fit_ok", now=NOON),
        lambda: services.undo(task, actor=actor(person), now=NOON),
    ):
        with pytest.raises(NotYourTask):
            act()
    assert TaskEvidence.objects.count() == 0


# ---------------------------------------------------------------- undo


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


# ---------------------------------------------------------------- checked again at sending


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
