"""What an invitation wants of a guide, and what it proves for the task that asked. Times are local."""

from datetime import date, timedelta
from typing import Any

import pytest

from crm.benefits.services import Conditions
from crm.events import OrderPaid
from crm.visits import services as visits
from crm.visits.models import Visit
from crm.visits.services import GroupPlan
from guides.attendance.models import Shift
from tasks.followups.models import Reach, Task
from tasks.followups.services import record_sent, set_outcome
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.guides import Org, actor, make_org, make_staff
from tests.factories.portal import as_member
from tests.factories.tasks import load_rules, local, make_task
from yejibao.core import outbox
from yejibao.core.clock import parse_iso

pytestmark = pytest.mark.django_db
NOON = parse_iso("2025-03-04 11:00")
SATURDAY = parse_iso("2025-03-08 15:00")


@pytest.fixture
def org() -> Org:
    return make_org()


@pytest.fixture(autouse=True)
def at_noon(clock: Any) -> None:
    clock.travel("2025-03-04 11:00")


@pytest.fixture
def member(org: Org) -> Any:
    return friend_of(org)


def friend_of(org: Org, **facts: Any) -> Any:
    found = make_member(owner=org.guide, **facts)
    make_friend(found, org.guide)
    return found


def asking(member: Any, org: Org) -> Task:
    """A done follow-up of hers, in which he said he comes."""
    return make_task(
        member, org.guide, task_type="followup_d60", state="done", done_at=NOON, done_by=org.guide, evidence_level=2,
        evidence_kind="chat_sent", evidence_any_of=["chat_sent", "visit_booked"],
    )  # fmt: skip


def of_kind(kind: str) -> list[Task]:
    return list(Task.objects.filter(task_type=kind).order_by("open_at", "pk"))


def booked(member: Any, org: Org, *, at: Any = SATURDAY, now: Any = NOON) -> Visit:
    made = visits.invite(member, starts_at=at, actor=actor(org.guide), now=now, is_agreed=True)
    outbox.drain_events()
    return made


def test_the_chip_makes_the_visit_and_the_sale_is_the_tasks(org: Org, member: Any, clock: Any) -> None:
    load_rules()
    task = asking(member, org)
    set_outcome(task, actor=actor(org.guide), outcome="visit_booked", visit_at=SATURDAY, now=NOON)
    visit = Visit.objects.get()
    assert (visit.state, visit.source, visit.cause, visit.guide) == ("accepted", "task", f"task:{task.pk}", org.guide)
    assert (task.evidence_kind, task.evidence_level) == ("visit_booked", 4)
    outbox.drain_events()
    assert task.evidence.filter(kind="visit_booked").count() == 1  # the event proves nothing twice
    # The reminder is the last touch, the sale is the asking task's all the same: one order, one credit.
    clock.travel("2025-03-08 10:00")
    (reminder,) = of_kind("visit_reminder")
    record_sent(reminder, actor=actor(org.guide), text="下午见", now=parse_iso("2025-03-08 10:00"))
    order = make_order(member, paid_at="2025-03-08 15:30", store=org.store)
    clock.travel("2025-03-08 15:31")
    outbox.publish(OrderPaid(order.pk))
    outbox.drain_events()
    task.refresh_from_db()
    reminder.refresh_from_db()
    visit.refresh_from_db()
    assert (visit.state, visit.order) == ("bought", order)
    assert (task.evidence_kind, task.evidence_level, reminder.evidence_level) == ("order_linked", 5, 2)
    assert list(task.evidence.filter(kind="order_linked").values_list("payload__order", flat=True)) == [order.pk]


@pytest.mark.parametrize(
    ("visit_at", "now", "times"),
    [
        ("2025-03-08 15:00", "2025-03-04 11:00", ("2025-03-08 09:30", "2025-03-08 13:00", "2025-03-08 15:00")),
        ("2025-03-08 11:00", "2025-03-04 11:00", ("2025-03-08 09:30", "2025-03-08 10:00", "2025-03-08 11:00")),
        ("2025-03-08 09:45", "2025-03-04 11:00", ("2025-03-08 09:30", "2025-03-08 09:45", "2025-03-08 09:45")),
        ("2025-03-04 18:00", "2025-03-04 11:00", ("2025-03-04 11:00", "2025-03-04 16:00", "2025-03-04 18:00")),
        ("2025-03-04 12:30", "2025-03-04 11:00", None),  # he has just said so
    ],
)  # fmt: skip
def test_the_reminder_is_of_the_day(org: Org, member: Any, visit_at: str, now: str, times: Any) -> None:
    booked(member, org, at=parse_iso(visit_at), now=parse_iso(now))
    found = [(local(task.open_at), local(task.due_at), local(task.expire_at)) for task in of_kind("visit_reminder")]
    assert found == ([times] if times else [])


def test_the_reminder_says_when_and_goes_with_the_visit(org: Org, member: Any) -> None:
    visit = booked(member, org)
    (first,) = of_kind("visit_reminder")
    assert (first.context["facts"], first.nature, first.assignee, first.channel, first.why) == (
        {"visit_time": "3月8日 15:00"}, "service", org.guide, "wecom_message", "约了今天 15:00 到店，提醒一句",
    )  # fmt: skip
    visits.move_visit(visit, starts_at=SATURDAY + timedelta(days=1), actor=as_member(member), now=NOON)
    outbox.drain_events()
    first.refresh_from_db()
    assert (first.state, first.closed_reason) == ("cancelled", "visit_settled")
    _first, second = of_kind("visit_reminder")
    assert (second.state, local(second.due_at)) == ("open", "2025-03-09 13:00")
    visits.decline(visit, actor=as_member(member), now=NOON)
    outbox.drain_events()
    assert {task.state for task in of_kind("visit_reminder")} == {"cancelled"}


def test_who_is_off_that_day_is_stood_in_for_by_whoever_can_reach_him(org: Org, member: Any) -> None:
    backup = make_staff("guide", store=org.store)
    org.guide.backup_guide = backup
    org.guide.save(update_fields=["backup_guide"])
    Shift.objects.create(staff=org.guide, day=date(2025, 3, 8), kind="rest")
    booked(member, org)
    assert of_kind("visit_reminder")[0].assignee == org.guide  # nobody else is his friend, and he took no calls
    other = make_member(owner=org.guide, phone="13800003333", phone_consent=True)
    booked(other, org)
    assert (of_kind("visit_reminder")[1].assignee, of_kind("visit_reminder")[1].channel) == (backup, "manual_call")


# ---------------------------------------------------------------- a manager's list


def group_of(org: Org, count: int, **facts: Any) -> list[Any]:
    rows = [friend_of(org, **facts) for _ in range(count)]
    plan = GroupPlan("春季新款品鉴", "event", SATURDAY, SATURDAY + timedelta(hours=2), date(2025, 3, 4))
    visits.plan_group(plan, Conditions(), unit=org.store.unit, actor=actor(org.manager), now=NOON)
    visits.go_on_with_groups(now=NOON)
    outbox.drain_events()
    return rows


def test_a_list_becomes_tasks_some_a_day(org: Org) -> None:
    group_of(org, 23)
    days: dict[str, int] = {}
    for task in of_kind("visit_invite"):
        days[local(task.open_at)[:10]] = days.get(local(task.open_at)[:10], 0) + 1
    assert days == {"2025-03-04": 10, "2025-03-05": 10, "2025-03-06": 3}
    last = of_kind("visit_invite")[-1]
    assert (local(last.due_at), local(last.expire_at), last.nature, last.hidden_until) == (
        "2025-03-06 22:00", "2025-03-07 22:00", "marketing", last.open_at,
    )  # fmt: skip
    assert last.why == "请他3月8日 15:00来店：春季新款品鉴"


def test_who_has_heard_enough_of_us_is_not_asked(org: Org) -> None:
    tired = friend_of(org)
    for day in (1, 2):
        Reach.objects.create(member=tired, guide=org.guide, channel="wecom_message", nature="service", level=2, at=NOON,
                             day=date(2025, 3, day))  # fmt: skip
    nobody = make_member(owner=org.guide)  # no friend, no calls
    group_of(org, 1)
    assert Visit.objects.filter(state="planned").count() == 3
    assert {task.member for task in of_kind("visit_invite")} & {tired, nobody} == set()


def test_being_asked_being_told_and_answering(org: Org, settings: Any) -> None:
    (member,) = group_of(org, 1)
    (task,) = of_kind("visit_invite")
    visit = Visit.objects.get()
    assert task.context["link"].endswith(f"/my/visits/{visit.public_id}/")
    record_sent(task, actor=actor(org.guide), text="周六来坐坐", now=NOON)
    outbox.drain_events()
    visit.refresh_from_db()
    assert (visit.state, visit.invited_at) == ("invited", NOON)
    visits.accept(visit, actor=as_member(member), now=NOON + timedelta(hours=1))
    outbox.drain_events()
    task.refresh_from_db()
    assert (task.state, task.evidence_kind, task.evidence_level) == ("done", "visit_booked", 4)
    assert len(of_kind("visit_reminder")) == 1


def test_an_answer_without_her_asking_does_the_task(org: Org) -> None:
    (member, other) = group_of(org, 2)
    visits.note_opened(Visit.objects.get(member=member), actor=as_member(member), now=NOON)
    visits.accept(Visit.objects.get(member=member), actor=as_member(member), now=NOON)
    visits.decline(Visit.objects.get(member=other), actor=as_member(other), now=NOON)
    outbox.drain_events()
    found = {task.member_id: (task.state, task.evidence_kind) for task in of_kind("visit_invite")}
    assert found == {member.pk: ("done", "visit_booked"), other.pk: ("cancelled", "")}


def test_a_list_that_is_stopped_takes_its_tasks_back(org: Org) -> None:
    group_of(org, 3)
    group = Visit.objects.first().group  # type: ignore[union-attr]
    visits.stop_group(group, actor=actor(org.manager), now=NOON)  # type: ignore[arg-type]
    outbox.drain_events()
    assert {task.state for task in of_kind("visit_invite")} == {"cancelled"}
