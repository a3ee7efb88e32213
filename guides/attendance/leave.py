"""请假: asked for, decided one level up, written into the roster, ended early or cancelled. One function, one act.

A guide's leave is her store manager's to decide, a manager's the area supervisor's, and so on upwards; nobody decides on
his own. What becomes of the work follows from the roster: `StaffAwayChanged` tells who covers it (tasks/handlers.py).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from guides.org.models import Staff
from yejibao.core import audit, tunables
from yejibao.core.clock import local_day
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.scope import Actor

from . import leave_words as words
from .leave_deciders import approvers_of, may_cover, may_decide, must_decide, name_backup
from .leave_models import LeaveRequest
from .models import Shift
from .services import Plan, must_roster, write_days

State = LeaveRequest.State
LONGEST_LEAVE = tunables.number(
    "longest-leave", group="请假和调店", name="一次请假最长几天", unit="天", default=184, least=7, most=366,
    why="更长的要走转交会员：会员不能几个月没人管",
)  # fmt: skip
BACKDATED = tunables.number(
    "leave-backdated", group="请假和调店", name="请假最多补几天前的", unit="天", default=7, least=0, most=31,
    why="急病来不及先请的，事后补一张",
)  # fmt: skip
FARTHEST = timedelta(days=366)


class NotYourLeave(Forbidden):
    code, title = "perm.leave", _("这张请假单不归你管")


class Overlaps(Conflict):
    code, title = "leave.overlaps", _("这几天里已经有一张请假单")


class Decided(Conflict):
    code, title = "leave.decided", _("这张请假单已经有结果了")


class NobodyDecides(Conflict):
    code, title = "leave.nobody_decides", _("你上面还没有人能批假，请总部先把店长或区长配好")


class Gone(Conflict):
    code, title = "leave.staff_gone", _("人已经不在职，不用批了")


@dataclass(frozen=True)
class Wish:
    """What is asked for: days with both ends included, halves cut at noon."""

    kind: str
    starts_on: date
    ends_on: date
    reason: str
    starts_at_noon: bool = False
    ends_at_noon: bool = False
    backup: Staff | None = None

    def columns(self) -> dict[str, Any]:
        return {
            "kind": self.kind, "starts_on": self.starts_on, "ends_on": self.ends_on, "reason": self.reason.strip()[:255],
            "starts_at_noon": self.starts_at_noon, "ends_at_noon": self.ends_at_noon, "backup": self.backup,
        }  # fmt: skip


# ---------------------------------------------------------------- the person's own acts


@transaction.atomic
def ask_leave(person: Staff, wish: Wish, *, actor: Actor, now: datetime) -> LeaveRequest:
    """Ask for days off; whoever decides is told at once.

    Raises Invalid, NotYourLeave, Overlaps with another request, or NobodyDecides where there is nobody above.
    """
    if actor.staff_id != person.pk:
        raise NotYourLeave()
    _must_make_sense(person, wish, now=now)
    hold(person)
    _must_be_free(person, wish)
    approvers = approvers_of(person, day=local_day(now))
    if not approvers:
        raise NobodyDecides()
    request = LeaveRequest.objects.create(staff=person, **wish.columns(), asked_at=now, approver_id=approvers[0])
    audit.record(actor, "leave.asked", request, after=_facts(request))
    words.tell_approvers(request, approvers, now=now)
    return request


@transaction.atomic
def change_leave(request: LeaveRequest, wish: Wish, *, actor: Actor, now: datetime) -> LeaveRequest:
    """Change what is not decided yet, or hand in again what was returned. Raises as `ask_leave`, or Decided."""
    held = _lock(request, LeaveRequest.WAITING)
    if held.staff_id != actor.staff_id:
        raise NotYourLeave()
    person = held.staff
    _must_make_sense(person, wish, now=now)
    hold(person)
    _must_be_free(person, wish, but=held)
    approvers = approvers_of(person, day=local_day(now))
    before = _facts(held)
    stamps = wish.columns() | {
        "state": State.ASKED,
        "asked_at": now,
        "approver_id": approvers[0] if approvers else None,
    }
    stamp(held, **stamps)
    audit.record(actor, "leave.changed", held, before=before, after=_facts(held))
    words.tell_approvers(held, approvers, now=now)
    return held


@transaction.atomic
def withdraw_leave(request: LeaveRequest, *, actor: Actor, now: datetime) -> LeaveRequest:
    """Take back one's own request that is not decided yet. Raises NotYourLeave or Decided."""
    held = _lock(request, LeaveRequest.WAITING)
    if held.staff_id != actor.staff_id:
        raise NotYourLeave()
    stamp(held, state=State.WITHDRAWN, decided_at=now)
    audit.record(actor, "leave.withdrawn", held)
    words.settle(held, now=now)
    return held


# ---------------------------------------------------------------- the decision


@transaction.atomic
def approve_leave(
    request: LeaveRequest, *, actor: Actor, now: datetime, answer: str = "", backup: Staff | None = None
) -> LeaveRequest:
    """Say yes: the days are leave in the roster, and the work of those days goes to whoever covers.

    `backup` stands over the one who was asked for. Raises NotYoursToDecide, Decided, Overlaps, Gone or Invalid.
    """
    held = _lock(request, (State.ASKED,))
    must_decide(held, actor, day=local_day(now))
    person = hold(held.staff)
    if not person.is_active:
        raise Gone()
    others = LeaveRequest.objects.filter(staff=person, state=State.APPROVED).touching(
        held.starts_on, held.ends_on + timedelta(days=1)
    )
    if others.exclude(pk=held.pk).exists():
        raise Overlaps()
    helper = backup or held.backup
    if backup is not None and not may_cover(backup, person):
        raise Invalid(_("代办人要是同一家店在职的同事"))
    if helper is not None and may_cover(helper, person):  # who moved away since is passed over
        name_backup(person, helper, actor=actor)
    stamp(
        held, state=State.APPROVED, decided_by_id=actor.staff_id, decided_at=now, answer=answer.strip()[:255],
        backup=helper if helper and may_cover(helper, person) else None, replaced=enter_days(held, person, actor=actor, now=now),
    )  # fmt: skip
    audit.record(actor, "leave.approved", held, after=_facts(held), reason=answer)
    words.tell_asker(held, now=now)
    return held


@transaction.atomic
def refuse_leave(request: LeaveRequest, *, actor: Actor, now: datetime, answer: str) -> LeaveRequest:
    """Say no, with a word why. Raises NotYoursToDecide, Decided or Invalid."""
    return _send_back(request, State.REFUSED, "leave.refused", actor=actor, now=now, answer=answer)


@transaction.atomic
def return_leave(request: LeaveRequest, *, actor: Actor, now: datetime, answer: str) -> LeaveRequest:
    """Ask back: the person changes it and hands it in again. Raises NotYoursToDecide, Decided or Invalid."""
    return _send_back(request, State.RETURNED, "leave.returned", actor=actor, now=now, answer=answer)


def _send_back(
    request: LeaveRequest, state: str, action: str, *, actor: Actor, now: datetime, answer: str
) -> LeaveRequest:
    if len(answer.strip()) < 2:
        wrong = {"field": "answer", "code": "required", "message": str(_("写一句为什么"))}
        raise Invalid(_("写一句为什么"), errors=[wrong])
    held = _lock(request, (State.ASKED,))
    must_decide(held, actor, day=local_day(now))
    stamp(held, state=state, decided_by_id=actor.staff_id, decided_at=now, answer=answer.strip()[:255])
    audit.record(actor, action, held, reason=answer)
    words.tell_asker(held, now=now)
    return held


@transaction.atomic
def end_leave(request: LeaveRequest, *, back_on: date, actor: Actor, now: datetime) -> LeaveRequest:
    """Let an approved leave end before its time: she works again from `back_on`. From its first day on it is cancelled.

    The roster says again what it said before. The person herself may, and whoever decides. Raises NotYourLeave, Decided
    or Invalid.
    """
    held = _lock(request, (State.APPROVED,))
    if held.staff_id != actor.staff_id and not may_decide(held, actor, day=local_day(now)):
        raise NotYourLeave()
    if not local_day(now) <= back_on <= held.last_on:
        raise Invalid(_("从今天起到假期最后一天里选"))
    person = hold(held.staff)
    rows = Shift.objects.filter(leave=held, day__gte=back_on)  # what the manager has set since is his
    write_days({person: {row.day: _as_before(held, row.day) for row in rows}}, actor=actor, now=now, over_leave=True)
    if back_on <= held.starts_on:
        stamp(held, state=State.CANCELLED, decided_at=now)
        audit.record(actor, "leave.cancelled", held)
    else:
        stamp(held, back_on=back_on)
        audit.record(actor, "leave.ended_early", held, after={"back_on": back_on.isoformat()})
    words.tell_ended(held, by=actor, now=now)
    return held


@transaction.atomic
def set_leave(
    person: Staff, *, starts_on: date, ends_on: date, actor: Actor, now: datetime, backup: Staff | None = None,
    kind: str = LeaveRequest.Kind.OTHER, reason: str = "",
) -> int:  # fmt: skip
    """Enter a leave of several days for somebody, both ends included, and who does the work. Returns the number of days.

    Her members stay hers: the work goes to the backup by the rules of each task. Raises NotYourRoster, Overlaps or Invalid.
    """
    must_roster(actor, person)
    wish = Wish(str(kind), starts_on, ends_on, reason or str(_("店长登记")), backup=backup)
    _must_make_sense(person, wish, now=now)
    person = hold(person)
    _must_be_free(person, wish)
    if backup is not None:
        name_backup(person, backup, actor=actor)
    request = LeaveRequest.objects.create(
        staff=person, **wish.columns(), asked_at=now, state=State.APPROVED, decided_by_id=actor.staff_id, decided_at=now
    )
    stamp(request, replaced=enter_days(request, person, actor=actor, now=now))
    audit.record(actor, "leave.entered", request, after=_facts(request))
    words.tell_asker(request, now=now)
    return (ends_on - starts_on).days + 1


# ---------------------------------------------------------------- what happens to people meanwhile


@transaction.atomic
def follow_resigned(staff_ids: Collection[int], *, now: datetime) -> int:
    """Close what waits of people who left. Returns how many."""
    return _close_waiting(LeaveRequest.objects.filter(staff_id__in=staff_ids), now=now)


def _close_waiting(requests: Any, *, now: datetime) -> int:
    waiting = list(requests.filter(state__in=LeaveRequest.WAITING).order_by("pk").select_for_update())
    for request in waiting:
        stamp(request, state=State.WITHDRAWN, decided_at=now)
        audit.record(Actor.system(), "leave.withdrawn", request)
        words.settle(request, now=now)
    return len(waiting)


@transaction.atomic
def follow_moved(staff_ids: Collection[int], *, now: datetime) -> int:
    """Bring what waits of people who changed the store to those who decide there. Returns how many."""
    waiting = list(
        LeaveRequest.objects.filter(staff_id__in=staff_ids, state__in=LeaveRequest.WAITING)
        .order_by("pk").select_for_update(of=("self",)).select_related("staff", "backup")
    )  # fmt: skip
    for request in waiting:
        approvers = approvers_of(request.staff, day=local_day(now))
        stays = request.backup if request.backup and may_cover(request.backup, request.staff) else None
        stamp(request, approver_id=approvers[0] if approvers else None, backup=stays)
        if request.state == State.ASKED:
            words.settle(request, now=now)
            words.tell_approvers(request, approvers, now=now)
    return len(waiting)


# ---------------------------------------------------------------- one row, one person


def _lock(request: LeaveRequest, states: Collection[str]) -> LeaveRequest:
    """Take the row until the end of the transaction. Raises Decided where it is in none of these states any more."""
    held = (
        LeaveRequest.objects.select_for_update(of=("self",)).select_related("staff__store", "backup").get(pk=request.pk)
    )
    if held.state not in states:
        raise Decided(_("这张请假单已经是「%(state)s」") % {"state": held.get_state_display()})
    return held


def hold(person: Staff) -> Staff:
    """Take the person, so that two requests of one come one after the other; return him as he is now."""
    return Staff.objects.select_for_update(of=("self",)).select_related("store").get(pk=person.pk)


def stamp(request: LeaveRequest, **columns: Any) -> None:
    for name, value in columns.items():
        setattr(request, name, value)
    request.save(update_fields=[name.removesuffix("_id") for name in columns])


def _must_make_sense(person: Staff, wish: Wish, *, now: datetime) -> None:
    wrong: list[tuple[str, Any]] = []
    today, most, back = local_day(now), LONGEST_LEAVE.at(now), BACKDATED.at(now)
    if wish.kind not in LeaveRequest.Kind.values:
        wrong.append(("kind", _("选一下请什么假")))
    length = (wish.ends_on - wish.starts_on).days + 1
    if not 0 < length <= most:
        wrong.append(("ends_on", _("起止日期不对，一次最长 %(most)d 天") % {"most": most}))
    elif not today - timedelta(days=back) <= wish.starts_on <= today + FARTHEST:
        wrong.append(("starts_on", _("只能补 %(back)d 天内的，也不能超过一年后") % {"back": back}))
    if length == 1 and wish.starts_at_noon and wish.ends_at_noon:
        wrong.append(("ends_at_noon", _("同一天不能既从下午开始又到上午为止")))
    if len(wish.reason.strip()) < 2:
        wrong.append(("reason", _("写一句为什么请假")))
    if wish.backup is not None and not may_cover(wish.backup, person):
        wrong.append(("backup", _("代办人要是同一家店在职的同事")))
    if wrong:
        errors = [{"field": name, "code": "invalid", "message": str(said)} for name, said in wrong]
        raise Invalid(wrong[0][1], errors=errors)


def _must_be_free(person: Staff, wish: Wish, *, but: LeaveRequest | None = None) -> None:
    found = (
        LeaveRequest.objects.standing().filter(staff=person).touching(wish.starts_on, wish.ends_on + timedelta(days=1))
    )
    other = (found.exclude(pk=but.pk) if but else found).order_by("starts_on").first()
    if other:
        raise Overlaps(
            _("%(days)s 已经有一张请假单（%(state)s）")
            % {"days": words.span(other), "state": other.get_state_display()}
        )


def enter_days(request: LeaveRequest, person: Staff, *, actor: Actor, now: datetime) -> dict[str, Any]:
    """Write the days into the roster; return what stood there. A half day of rest stays rest."""
    halves = request.halves()
    before = {row.day: row for row in Shift.objects.filter(staff=person, day__in=list(halves))}
    plans: dict[date, Plan | None] = {}
    for day, half in halves.items():
        row = before.get(day)
        if not half:
            plans[day] = Plan(str(Shift.Kind.LEAVE), leave_id=request.pk)
        elif row is None or row.kind == Shift.Kind.WORK:
            plans[day] = Plan(str(Shift.Kind.WORK), row.time_id if row else None, half, request.pk)
    write_days({person: plans}, actor=actor, now=now, over_leave=True)
    return {str(day): [row.kind, row.time_id] for day, row in before.items() if day in plans}


def _as_before(request: LeaveRequest, day: date) -> Plan | None:
    kind, time_id = request.replaced.get(str(day), (None, None))
    return Plan(kind, time_id) if kind else None


def _facts(request: LeaveRequest) -> dict[str, Any]:
    return {
        "kind": request.kind, "starts_on": str(request.starts_on), "ends_on": str(request.ends_on),
        "days": request.length, "backup": request.backup_id,
    }  # fmt: skip
