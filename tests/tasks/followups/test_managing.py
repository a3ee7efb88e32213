"""Later, skip, urge, reassign, another due time, spot checks: who may, how often, and what is left behind."""

import json
from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client

from crm.members.models import Member
from guides.org.models import RoleAssignment, Staff
from tasks.cadences.models import Enrollment
from tasks.followups import services
from tasks.followups.models import Reach, SkipRequest, SpotCheck, Task, TaskEvidence, TaskMove, TaskNotice, Urge
from tasks.followups.push import queue_notices
from tasks.followups.services import NotYourDecision, NotYourTask
from tests.conftest import TestClock
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.guides import Org, actor, holder_of, make_org, make_staff, sign_in
from tests.factories.tasks import enroll, load_rules, local, make_task, open_until, task_of
from yejibao.core import outbox
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.models import AuditEntry, OutboxMessage

pytestmark = pytest.mark.django_db

NOON = parse_iso("2025-03-04 12:00")


@pytest.fixture
def org(clock: TestClock) -> Org:
    clock.travel(NOON)
    return make_org()


@pytest.fixture
def member(org: Org) -> Member:
    member = make_member(owner=org.guide)
    make_friend(member)
    return member


@pytest.fixture
def task(org: Org, member: Member) -> Task:
    """Due at six in the evening, expires three days later."""
    return make_task(member, org.guide, now=parse_iso("2025-03-04 10:00"))


# ---------------------------------------------------------------- later


def test_put_off_hides_until_then_and_tells_her_then(org: Org, task: Task) -> None:
    until = parse_iso("2025-03-04 15:00")
    services.put_off(task, actor=actor(org.guide), until=until, reason="member_busy", now=NOON)
    assert (task.hidden_until, task.hidden_reason, task.tell_at, local(task.due_at)) == (
        until, "member_busy", until, "2025-03-04 18:00",
    )  # fmt: skip
    assert queue_notices(now=parse_iso("2025-03-04 14:59"))["digests"] == 0
    assert queue_notices(now=until)["digests"] == 1


@pytest.mark.parametrize(
    ("until", "reason"),
    [
        ("2025-03-04 12:00", "member_busy"), ("2025-03-04 23:00", "member_busy"), ("2025-03-05 09:00", "member_busy"),
        ("2025-03-08 12:00", "member_busy"), ("2025-03-04 15:00", "lazy"),
    ],
)  # fmt: skip
def test_put_off_needs_a_time_in_business_hours_and_a_reason(org: Org, task: Task, until: str, reason: str) -> None:
    with pytest.raises(Invalid):
        services.put_off(task, actor=actor(org.guide), until=parse_iso(until), reason=reason, now=NOON)


# ---------------------------------------------------------------- skip


def ask(task: Task, person: Staff) -> SkipRequest:
    return services.ask_skip(task, actor=actor(person), reason="他出差一个月", now=NOON)


def decide(request: SkipRequest, person: Staff, *, approve: bool = True) -> SkipRequest:
    return services.decide_skip(request, actor=actor(person), approve=approve, answer="知道了", now=NOON)


def test_the_own_manager_approves(org: Org, task: Task) -> None:
    request = decide(ask(task, org.guide), org.manager)
    task.refresh_from_db()
    assert (request.state, request.decided_by_id, request.answer) == ("approved", org.manager.pk, "知道了")
    assert (task.state, task.closed_reason) == ("skipped", "manual")
    assert AuditEntry.objects.get(action="task.skip_decided").actor_id == org.manager.pk


def test_refused_the_task_stands_and_she_may_ask_again(org: Org, task: Task) -> None:
    with pytest.raises(Conflict):
        ask(task, org.guide) and ask(task, org.guide)
    request = decide(SkipRequest.objects.get(), org.manager, approve=False)
    task.refresh_from_db()
    assert (request.state, task.state) == ("refused", "open")
    assert ask(task, org.guide).state == "asked"


def test_decided_once(org: Org, task: Task) -> None:
    request = ask(task, org.guide)
    decide(request, org.manager, approve=False)
    with pytest.raises(Conflict):
        decide(request, org.manager)


@pytest.mark.parametrize("who", ["guide", "colleague", "other manager", "area_supervisor", "region_manager"])
def test_nobody_but_the_own_manager_decides_on_a_guide(org: Org, task: Task, who: str) -> None:
    person = {
        "guide": lambda: org.guide,
        "colleague": lambda: make_staff("guide", store=org.store),
        "other manager": lambda: make_staff("store_manager", store=org.other_store),
    }.get(who, lambda: holder_of(who, org))()
    with pytest.raises(NotYourDecision):
        decide(ask(task, org.guide), person)


def test_a_managers_own_request_goes_to_the_area_supervisor(org: Org, member: Member) -> None:
    task = make_task(member, org.manager, now=NOON)
    request = ask(task, org.manager)
    second = make_staff("store_manager", store=org.store)
    for person in (org.manager, second, make_staff("area_supervisor", unit=org.other_area)):
        with pytest.raises(NotYourDecision):
            decide(request, person)
    assert decide(request, holder_of("area_supervisor", org)).state == "approved"


def test_a_store_without_a_manager_asks_the_area_supervisor(org: Org, task: Task) -> None:
    request = ask(task, org.guide)
    RoleAssignment.objects.filter(role="store_manager").update(ends_on=date(2025, 3, 3))
    assert decide(request, holder_of("area_supervisor", org)).state == "approved"


def test_a_stranger_cannot_ask(org: Org, task: Task) -> None:
    with pytest.raises(NotYourTask):
        ask(task, org.stranger)
    with pytest.raises(Invalid):
        services.ask_skip(task, actor=actor(org.guide), reason=" ", now=NOON)


def test_skipping_the_last_step_completes_the_cycle(org: Org, member: Member) -> None:
    load_rules()
    enroll(make_order(member, paid_at="2025-03-01 15:00", guide=org.guide))
    open_until("2025-05-30 10:00")
    Task.objects.exclude(node="d90").update(state="expired")
    task = task_of(Enrollment.objects.get(), "d90")
    decide(ask(task, org.guide), org.manager)
    assert Enrollment.objects.get().status == "completed"


# ---------------------------------------------------------------- urge


def urge(tasks: list[Task], person: Staff, now: Any = NOON) -> tuple[int, int, int]:
    result = services.urge(tasks, actor=actor(person), now=now)
    return result.sent, result.waits_for_morning, result.too_soon


def test_urged_once_in_two_hours_whoever_taps(org: Org, task: Task) -> None:
    assert urge([task], org.manager) == (1, 0, 0)
    assert urge([task], holder_of("area_supervisor", org), NOON + timedelta(hours=1, minutes=59)) == (0, 0, 1)
    assert urge([task], org.manager, NOON + timedelta(hours=2)) == (1, 0, 0)
    assert (Urge.objects.count(), OutboxMessage.objects.count()) == (2, 2)
    assert list(TaskNotice.objects.values_list("task_id", "kind")) == [(task.pk, "urge")] * 2


def test_one_message_a_person_for_what_still_stands(org: Org, task: Task) -> None:
    second = make_staff("guide", store=org.store)
    mine = make_task(make_member(owner=org.guide), org.guide, now=NOON)
    hers = make_task(make_member(owner=second), second, now=NOON)
    held = make_task(make_member(owner=second), second, now=NOON, held_at=NOON, held_reason="aftersale")
    done = make_task(make_member(owner=second), second, now=NOON, state="done", done_at=NOON)
    assert urge([task, mine, hers, held, done], org.manager) == (3, 0, 2)
    messages = OutboxMessage.objects.order_by("pk")
    assert {m.recipient: TaskNotice.objects.filter(message=m).count() for m in messages} == {
        org.guide.wecom_user_id: 2, second.wecom_user_id: 1,
    }  # fmt: skip
    # What happens before it leaves is read again: done, or handed to somebody else.
    Task.objects.filter(pk=task.pk).update(state="done", done_at=NOON)
    Task.objects.filter(pk=mine.pk).update(assignee=second)
    bodies = outbox.messages._renderers["urge"].render(list(messages), now=NOON)
    told = {m.recipient: bodies[m.pk] for m in messages}
    assert told[org.guide.wecom_user_id] is None
    assert json.loads(told[second.wecom_user_id])["textcard"]["title"] == "店长提醒你 1 件事"


@pytest.mark.parametrize("at", ["2025-03-04 22:00", "2025-03-05 08:00"])
def test_in_quiet_hours_it_waits_for_her_moment_of_the_morning(org: Org, task: Task, at: str) -> None:
    assert urge([task], org.manager, parse_iso(at)) == (0, 1, 0)
    message = OutboxMessage.objects.get()
    assert (local(message.due_at), local(message.not_after)) == ("2025-03-05 09:38", "2025-03-05 22:00")


def test_guides_do_not_urge(org: Org, task: Task) -> None:
    with pytest.raises(Forbidden):
        urge([task], org.guide)


# ---------------------------------------------------------------- reassign


def reassign(tasks: list[Task], to: Staff, by: Staff) -> int:
    return services.reassign(tasks, actor=actor(by), to=to, reason="晓雯请假", now=NOON)


def test_a_colleague_gets_it_with_her_own_way_to_reach_him(org: Org, task: Task, member: Member) -> None:
    friend, other = make_staff("guide", store=org.store), make_staff("guide", store=org.store)
    make_friend(member, friend, external_user_id="wmSame")
    Task.objects.update(hidden_until=NOON + timedelta(hours=3), hidden_reason="guide_busy")
    assert reassign([task], other, org.manager) == 1
    task.refresh_from_db()
    assert (task.assignee_id, task.channel, task.owner_guide_id) == (other.pk, "manual_call", org.guide.pk)
    assert (task.hidden_until, task.tell_at) == (None, NOON)
    assert reassign([task], friend, org.manager) == 1
    task.refresh_from_db()
    assert (task.assignee_id, task.channel) == (friend.pk, "wecom_message")
    moves = TaskMove.objects.order_by("pk").values_list("reason", "old_assignee", "new_assignee", "by", "note")
    assert list(moves) == [
        ("reassign", org.guide.pk, other.pk, org.manager.pk, "晓雯请假"),
        ("reassign", other.pk, friend.pk, org.manager.pk, "晓雯请假"),
    ]


def test_only_within_the_store_and_only_to_somebody_at_work(org: Org, task: Task) -> None:
    gone = make_staff("guide", store=org.store, state="resigned")
    for to in (org.stranger, gone):
        with pytest.raises(Invalid):
            reassign([task], to, org.manager)
    with pytest.raises(Forbidden):
        reassign([task], make_staff("guide", store=org.store), org.guide)
    assert TaskMove.objects.count() == 0


def test_what_ended_or_is_held_stays(org: Org, task: Task, member: Member) -> None:
    to = make_staff("guide", store=org.store)
    held = make_task(member, org.guide, now=NOON, held_at=NOON, held_reason="aftersale")
    Task.objects.filter(pk=task.pk).update(state="expired")
    assert reassign([task, held], to, org.manager) == 0
    assert set(Task.objects.values_list("assignee", flat=True)) == {org.guide.pk}


# ---------------------------------------------------------------- due


def move(task: Task, due: str, by: Staff) -> int:
    return services.move_due([task], actor=actor(by), due_at=parse_iso(due), reason="店里盘点", now=NOON)


def test_a_moved_due_is_recorded_and_told(org: Org, task: Task) -> None:
    assert move(task, "2025-03-05 22:00", org.manager) == 1
    task.refresh_from_db()
    assert (local(task.due_at), local(task.expire_at), task.tell_at) == ("2025-03-05 22:00", "2025-03-07 18:00", NOON)
    row = TaskMove.objects.get()
    assert (row.reason, row.note, local(row.old_due_at), local(row.new_due_at), row.by_id) == (
        "manager", "店里盘点", "2025-03-04 18:00", "2025-03-05 22:00", org.manager.pk,
    )  # fmt: skip


@pytest.mark.parametrize("due", ["2025-03-04 12:00", "2025-03-05 09:00", "2025-03-05 22:01", "2025-03-07 18:01"])
def test_a_due_lies_ahead_in_business_hours_before_the_end(org: Org, task: Task, due: str) -> None:
    with pytest.raises(Invalid):
        move(task, due, org.manager)


def test_a_guide_moves_no_due(org: Org, task: Task) -> None:
    with pytest.raises(Forbidden):
        move(task, "2025-03-05 12:00", org.guide)


# ---------------------------------------------------------------- spot check

MONDAY = date(2025, 3, 10)


def claimed(org: Org, number: int, *, day: str = "2025-03-04", guide: Staff | None = None) -> None:
    guide = guide or org.guide
    for _ in range(number):
        task = make_task(make_member(owner=guide), guide, now=parse_iso(f"{day} 11:00"))
        services.record_claimed(task, actor=actor(guide), text="发了", now=parse_iso(f"{day} 12:00"))


def sample() -> int:
    return services.sample_spot_checks(week=MONDAY, share=0.05, now=parse_iso("2025-03-10 09:00"))


def test_five_percent_of_a_week_the_same_whenever_it_is_drawn(org: Org) -> None:
    claimed(org, 41)
    claimed(org, 5, day="2025-03-10")  # the next week
    claimed(org, 2, guide=org.stranger)
    surely = make_task(make_member(owner=org.guide), org.guide, now=NOON)
    services.record_sent(surely, actor=actor(org.guide), text="发了", now=NOON)
    assert sample() == 3 + 1
    drawn = set(SpotCheck.objects.values_list("task_id", flat=True))
    assert sample() == 0
    SpotCheck.objects.all().delete()
    assert sample() == 4
    assert set(SpotCheck.objects.values_list("task_id", flat=True)) == drawn
    assert surely.pk not in drawn


@pytest.fixture
def check(org: Org) -> SpotCheck:
    claimed(org, 1)
    sample()
    return SpotCheck.objects.get()


def judge(check: SpotCheck, by: Staff, *, accept: bool, now: str = "2025-03-10 10:00") -> SpotCheck:
    return services.judge_spot_check(check, actor=actor(by), accept=accept, note="客人说没收到", now=parse_iso(now))


def test_accepted_nothing_changes(org: Org, check: SpotCheck) -> None:
    assert judge(check, org.manager, accept=True).state == "accepted"
    assert (Task.objects.get().state, Reach.objects.count()) == ("done", 1)
    with pytest.raises(Conflict):
        judge(check, org.manager, accept=False)


@pytest.mark.parametrize(("expires", "state"), [("2025-03-12 22:00", "open"), ("2025-03-07 22:00", "expired")])
def test_rejected_it_is_open_again_or_expired_and_no_contact(
    org: Org, check: SpotCheck, expires: str, state: str
) -> None:
    Task.objects.update(expire_at=parse_iso(expires))
    judge(check, org.manager, accept=False)
    task = Task.objects.get()
    assert (task.state, task.done_at, task.done_by_id, Reach.objects.count()) == (state, None, None, 0)
    assert (task.tell_at is not None, task.closed_at is not None) == (state == "open", state == "expired")
    trace = TaskEvidence.objects.order_by("-pk")[0]
    assert (trace.kind, trace.by_id, trace.payload) == ("rejected", org.manager.pk, {"note": "客人说没收到"})


def test_rejected_after_the_next_purchase_is_expired(org: Org, member: Member) -> None:
    load_rules()
    enroll(make_order(member, paid_at="2025-03-03 15:00", guide=org.guide))
    open_until("2025-03-06 10:00")
    task = task_of(Enrollment.objects.get(), "d3")
    services.record_claimed(task, actor=actor(org.guide), now=parse_iso("2025-03-06 12:00"))
    enroll(make_order(member, paid_at="2025-03-07 12:00", guide=org.guide))
    sample()
    judge(SpotCheck.objects.get(), org.manager, accept=False, now="2025-03-08 12:00")
    task.refresh_from_db()
    assert task.state == "expired"


def test_who_looks(org: Org, check: SpotCheck) -> None:
    supervisor = holder_of("area_supervisor", org)
    for person in (org.guide, org.stranger, supervisor, make_staff("store_manager", store=org.other_store)):
        with pytest.raises(NotYourDecision):
            judge(check, person, accept=True)
    Task.objects.update(done_by=org.manager)
    with pytest.raises(NotYourDecision):
        judge(SpotCheck.objects.get(), org.manager, accept=True)
    assert judge(SpotCheck.objects.get(), supervisor, accept=True).checked_by_id == supervisor.pk


# ---------------------------------------------------------------- on behalf of a guide


def test_what_a_manager_does_for_her_guide_names_both(org: Org, task: Task) -> None:
    manager, until = actor(org.manager), parse_iso("2025-03-04 15:00")
    services.put_off(task, actor=actor(org.guide), until=until, reason="member_busy", now=NOON)
    assert not AuditEntry.objects.exists()  # her own needs no line
    services.put_off(task, actor=manager, until=until, reason="member_busy", now=NOON)
    services.ask_skip(task, actor=manager, reason="他出国了", now=NOON)
    services.record_claimed(task, actor=manager, now=NOON)
    trail = list(AuditEntry.objects.filter(on_behalf_of_id=org.guide.pk).order_by("pk"))
    assert [row.action for row in trail] == ["task.put_off", "task.skip_asked", "task.completed"]
    assert {(row.actor_name, row.after["on_behalf_of"]) for row in trail} == {("陈国栋", "林晓雯")}


def test_the_page_says_for_whom_a_manager_acts(org: Org, task: Task, client: Client) -> None:
    said = "你在代林晓雯处理"
    address = f"/g/tasks/{task.pk}/"
    assert said in sign_in(client, org.manager).get(address).content.decode()
    assert said not in sign_in(client, org.guide).get(address).content.decode()
