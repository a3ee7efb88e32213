"""Sent, claimed, and by whom: what it leaves, once, and in daytime."""

from datetime import date, time

import pytest
from django.test import Client

from crm.members.models import Member
from tasks.cadences.models import Enrollment
from tasks.followups import services
from tasks.followups.models import PendingSend, Reach, Task, TaskEvidence
from tasks.followups.services import NotYourTask, QuietHours
from tasks.scripts.loading import load_scripts
from tasks.scripts.models import ScriptUse
from tests.factories.crm import make_member, make_order
from tests.factories.guides import Org, actor, holder_of, make_staff, sign_in
from tests.factories.tasks import LOADED_AT, enroll, make_task, open_until, task_of
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Conflict
from yejibao.core.models import AuditEntry

from .conftest import NOON, SECOND, prepare, sent

pytestmark = pytest.mark.django_db


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
