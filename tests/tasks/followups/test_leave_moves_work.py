"""A leave approved today moves the day's open work to the backup, tickets too; cancelled, what was not begun comes home."""

from datetime import date
from typing import Any

import pytest

from crm.aftersale.covering import follow_roster
from crm.aftersale.models import Ticket
from crm.aftersale.services import open_ticket
from crm.members.models import Member
from crm.visits import services as visits
from crm.visits.models import Visit
from guides.attendance import leave
from guides.attendance.leave import Wish
from guides.attendance.leave_models import LeaveRequest
from guides.attendance.models import Shift
from guides.notices.models import Notification
from guides.org.models import Staff
from tasks.followups.absences import bring_back
from tasks.followups.models import Task, TaskEvidence, TaskMove
from tests.factories.crm import make_friend, make_member, make_ticket
from tests.factories.guides import Org, actor, make_org, make_staff
from tests.factories.tasks import load_rules, local, make_task
from yejibao.core import outbox
from yejibao.core.clock import parse_iso
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db

NOW = parse_iso("2025-03-04 10:00")  # a Tuesday
TUE, WED, THU, FRI = (date(2025, 3, day) for day in (4, 5, 6, 7))


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel(NOW)
    org = make_org()
    org.guide.backup_guide = make_staff(store=org.store, name="何勇")
    org.guide.save()
    return org


@pytest.fixture
def helper(org: Org) -> Staff:
    assert org.guide.backup_guide is not None
    return org.guide.backup_guide


def member_of(guide: Staff, **facts: Any) -> Member:
    member = make_member(owner=guide, phone_consent=True, **facts)
    make_friend(member, guide)
    return member


def take_leave(org: Org, first: date = TUE, last: date = THU) -> LeaveRequest:
    wish = Wish("sick", first, last, "发烧")
    request = leave.ask_leave(org.guide, wish, actor=actor(org.guide), now=NOW)
    leave.approve_leave(request, actor=actor(org.manager), now=NOW)
    outbox.drain_events()
    return request


def give_up(request: LeaveRequest, back_on: date, org: Org) -> None:
    leave.end_leave(request, back_on=back_on, actor=actor(org.guide), now=NOW)
    outbox.drain_events()


def moves(task: Task) -> list[tuple[str, int | None, int | None]]:
    rows = TaskMove.objects.filter(task=task).order_by("pk")
    return list(rows.values_list("reason", "old_assignee_id", "new_assignee_id"))


def test_todays_work_goes_to_the_backup_and_comes_back(org: Org, helper: Staff) -> None:
    tasks = [make_task(member_of(org.guide), org.guide, task_type="care") for _ in range(3)]
    next_week = make_task(member_of(org.guide), org.guide, task_type="care", due_at=parse_iso("2025-03-10 22:00"))
    begun, meant = tasks[1:]
    request = take_leave(org)
    for task in tasks:
        task.refresh_from_db()
        assert (task.assignee, task.channel, task.tell_at) == (helper, "manual_call", NOW)
    next_week.refresh_from_db()
    assert next_week.assignee == org.guide

    TaskEvidence.objects.create(task=begun, kind="call_logged", level=1, at=NOW, by=helper)
    TaskMove.objects.create(task=meant, reason="reassign", old_assignee=helper, new_assignee=org.manager, at=NOW)
    Task.objects.filter(pk=meant.pk).update(assignee=org.manager)
    give_up(request, TUE, org)
    for task, holds in zip(tasks, (org.guide, helper, org.manager), strict=True):
        task.refresh_from_db()
        assert task.assignee == holds
    tasks[0].refresh_from_db()
    assert tasks[0].channel == "wecom_message"
    assert moves(tasks[0]) == [("backup", org.guide.pk, helper.pk), ("back", helper.pk, org.guide.pk)]
    assert bring_back(org.guide.pk, [str(TUE)], now=NOW) == 0


def test_a_part_of_the_days_comes_back_with_an_early_return(org: Org, helper: Staff) -> None:
    today = make_task(member_of(org.guide), org.guide, task_type="care")
    thursday = make_task(member_of(org.guide), org.guide, task_type="care", due_at=parse_iso("2025-03-06 18:00"))
    request = take_leave(org)
    give_up(request, THU, org)
    today.refresh_from_db()
    thursday.refresh_from_db()
    assert (today.assignee, thursday.assignee) == (helper, org.guide)


def test_through_two_absences_it_comes_back_to_whose_it_was(org: Org, helper: Staff) -> None:
    task = make_task(member_of(org.guide), org.guide, task_type="care")
    request = take_leave(org)
    Shift.objects.create(staff=helper, day=TUE, kind="rest")
    from tasks.followups.upkeep import cover_absence

    cover_absence(helper.pk, [str(TUE)], now=NOW)
    task.refresh_from_db()
    assert task.assignee == org.manager
    give_up(request, TUE, org)
    task.refresh_from_db()
    assert task.assignee == org.guide


def test_a_due_time_that_was_put_off_comes_back(org: Org) -> None:
    version = load_rules()
    task = make_task(
        member_of(org.guide), org.guide, task_type="followup_d30", cadence_version=version,
        due_at=parse_iso("2025-03-05 22:00"), expire_at=parse_iso("2025-03-20 22:00"),
    )  # fmt: skip
    request = take_leave(org)
    task.refresh_from_db()
    assert (task.assignee, local(task.due_at)) == (org.guide, "2025-03-07 22:00")
    give_up(request, TUE, org)
    task.refresh_from_db()
    assert local(task.due_at) == "2025-03-05 22:00"


def test_many_tasks_move_with_the_same_statements(org: Org, helper: Staff, django_assert_max_num_queries: Any) -> None:
    for _ in range(12):
        make_task(member_of(org.guide), org.guide, task_type="care")
    request = take_leave(org)
    assert Task.objects.filter(assignee=helper).count() == 12
    leave.end_leave(request, back_on=TUE, actor=Actor.system(), now=NOW)
    with django_assert_max_num_queries(8):
        assert bring_back(org.guide.pk, [str(TUE), str(WED)], now=NOW) == 12


def test_who_stands_in_opens_the_invitation_the_task_is_about(org: Org, helper: Staff) -> None:
    member = member_of(org.guide)
    visit = visits.invite(member, starts_at=parse_iso("2025-03-08 15:00"), actor=actor(org.guide), now=NOW)
    make_task(member, org.guide, task_type="visit_invite")
    seen = lambda who: Visit.objects.visible_to(actor(who)).filter(pk=visit.pk).exists()  # noqa: E731
    assert not seen(helper)
    request = take_leave(org)
    assert seen(helper) and seen(org.guide)
    visits.accept(visit, actor=actor(helper), now=NOW)
    give_up(request, TUE, org)
    assert not seen(helper)


# ---------------------------------------------------------------- tickets


def test_open_tickets_are_answered_by_who_stands_in(org: Org, helper: Staff, clock: Any) -> None:
    member = member_of(org.guide)
    ticket, closed = (make_ticket(member, opened_at=NOW, state=state) for state in ("new", "closed"))
    request = take_leave(org)
    ticket.refresh_from_db()
    closed.refresh_from_db()
    assert (ticket.guide, ticket.covers_for, closed.guide) == (helper, org.guide, org.guide)
    assert "1 张售后单今天由你代办" in Notification.objects.filter(staff=helper).values_list("title", flat=True)
    assert list(Ticket.objects.visible_to(actor(helper)).order_by("pk")) == [ticket]
    assert ticket in Ticket.objects.visible_to(actor(org.guide))

    Shift.objects.create(staff=helper, day=WED, kind="rest")  # next morning the backup rests: the manager answers
    assert follow_roster(now=clock.travel("2025-03-05 00:15")) == 1
    ticket.refresh_from_db()
    assert (ticket.guide, ticket.covers_for) == (org.manager, org.guide)
    assert follow_roster(now=clock.travel("2025-03-07 00:15")) == 1  # she is back
    ticket.refresh_from_db()
    assert (ticket.guide, ticket.covers_for, follow_roster(now=parse_iso("2025-03-07 00:20"))) == (org.guide, None, 0)
    assert request.state


def test_a_new_ticket_of_who_is_away_goes_to_who_stands_in(org: Org, helper: Staff) -> None:
    member = member_of(org.guide)
    request = take_leave(org)
    ticket = open_ticket(member, kind="consult", actor=Actor.system(), now=NOW)
    assert (ticket.guide, ticket.covers_for) == (helper, org.guide)
    give_up(request, TUE, org)
    ticket.refresh_from_db()
    assert (ticket.guide, ticket.covers_for) == (org.guide, None)


def test_any_number_of_tickets_moves_with_the_same_statements(org: Org, django_assert_max_num_queries: Any) -> None:
    for _ in range(9):
        make_ticket(member_of(org.guide), opened_at=NOW)
    Shift.objects.create(staff=org.guide, day=TUE, kind="leave")
    with django_assert_max_num_queries(13):
        assert follow_roster(now=NOW) == 9
