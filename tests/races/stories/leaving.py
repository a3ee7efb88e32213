"""Two at once at a leave, a work log, and what follows a leave."""

from datetime import date

from crm.aftersale.covering import follow_roster
from crm.aftersale.models import Ticket
from guides.attendance import leave
from guides.attendance.leave import Wish
from guides.attendance.leave_models import LeaveRequest
from guides.org.models import Staff
from guides.worklog.models import WorkLog
from guides.worklog.services import HandedIn, save_log
from tasks.followups.absences import bring_back
from tasks.followups.models import Task, TaskMove
from tests.factories.crm import make_ticket
from tests.factories.guides import actor, make_staff
from tests.races.at_once import overtaken
from tests.races.world import NOON, World
from yejibao.core.clock import local_day

TODAY, WED = local_day(NOON), date(2025, 3, 5)
WISH = Wish("sick", WED, WED, "发烧")


def _asked(world: World) -> tuple[Staff, LeaveRequest]:
    person = make_staff(store=world.org.store)
    return person, leave.ask_leave(person, WISH, actor=actor(person), now=NOON)


def two_managers_decide_a_leave(world: World) -> None:
    person, request = _asked(world)
    second = actor(world.second_manager())
    both = overtaken(
        lambda: leave.approve_leave(request, actor=world.manager, now=NOON),
        lambda: leave.refuse_leave(request, actor=second, now=NOON, answer="那天盘点"),
    )
    request.refresh_from_db()
    assert isinstance(both.second, leave.Decided) and request.state == "approved" and person.shifts.count() == 1


def the_same_days_asked_for_twice(world: World) -> None:
    person = make_staff(store=world.org.store)
    both = overtaken(*[lambda: leave.ask_leave(person, WISH, actor=actor(person), now=NOON)] * 2)
    assert isinstance(both.second, leave.Overlaps) and LeaveRequest.objects.filter(staff=person).count() == 1


def a_leave_is_approved_as_its_asker_leaves(world: World) -> None:
    person, request = _asked(world)
    overtaken(
        lambda: leave.approve_leave(request, actor=world.manager, now=NOON),
        lambda: leave.follow_resigned([person.pk], now=NOON),
    )
    request.refresh_from_db()
    assert request.state == "approved"


def a_log_handed_in_twice(world: World) -> None:
    person = make_staff(store=world.org.store)
    save_log(person, TODAY, {"q1": "草稿"}, actor=actor(person), now=NOON)
    both = overtaken(
        *[lambda: save_log(person, TODAY, {"q1": "交了"}, actor=actor(person), now=NOON, hand_in=True)] * 2
    )
    assert isinstance(both.second, HandedIn) and WorkLog.objects.filter(staff=person).count() == 1


def a_ticket_is_closed_as_its_guide_leaves_for_the_day(world: World) -> None:
    helper = make_staff(store=world.org.store)
    guide = make_staff(store=world.org.store, backup_guide=helper)
    ticket = make_ticket(world.member(owner=guide), opened_at=NOON)
    guide.shifts.create(day=TODAY, kind="leave")
    overtaken(
        lambda: Ticket.objects.filter(pk=ticket.pk).update(state="closed", closed_at=NOON),
        lambda: follow_roster(now=NOON, staff_ids=[guide.pk]),
    )
    ticket.refresh_from_db()
    assert (ticket.guide_id, ticket.covers_for_id) == (guide.pk, None)


def a_leave_is_cancelled_while_the_backup_does_it(world: World) -> None:
    helper = make_staff(store=world.org.store)
    guide = make_staff(store=world.org.store, backup_guide=helper)
    task = world.task(world.member(owner=guide, phone_consent=True), assignee=helper)
    TaskMove.objects.create(task=task, reason="backup", old_assignee=guide, new_assignee=helper, at=NOON)
    overtaken(
        lambda: Task.objects.filter(pk=task.pk).update(state="done", done_at=NOON),
        lambda: bring_back(guide.pk, [TODAY.isoformat()], now=NOON),
    )
    task.refresh_from_db()
    assert task.assignee_id == helper.pk
