"""All writes to the roster. Leave that is asked for and approved is written by `leave`, through `write_days`."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from guides.events import StaffAwayChanged
from guides.org.models import Staff
from guides.org.scoped import under_grants
from yejibao.core import audit, desk, outbox
from yejibao.core.clock import local_day
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.scope import Actor

from .calendar import AWAY
from .models import Shift, ShiftTime

# 排班 is the store manager's; a manager's own leave is decided one level up (org_and_roles.yaml, 店长请假审批).
ROSTER_ROLES = ("store_manager", "area_supervisor")


class NotYourRoster(Forbidden):
    code, title = "perm.roster", _("不能给这位同事排班")


class OnLeave(Conflict):
    code, title = "roster.on_leave", _("这天请了假，已经批准")


@dataclass(frozen=True)
class Plan:
    """What a day is to be."""

    kind: str
    time_id: int | None = None
    half_off: str = ""
    leave_id: int | None = None


Wanted = Mapping[Staff, Mapping[date, Plan | None]]  # None: no row, an ordinary working day


@transaction.atomic
def set_shift(
    person: Staff, *, day: date, kind: str, actor: Actor, now: datetime, shift_time: ShiftTime | None = None
) -> Shift:
    """Set what one day of a person is: work (from when to when), rest or leave. Raises NotYourRoster, OnLeave or Invalid."""
    must_roster(actor, person)
    write_days({person: {day: Plan(kind, shift_time.pk if shift_time else None)}}, actor=actor, now=now)
    return Shift.objects.get(staff=person, day=day)


@transaction.atomic
def set_rest_days(person: Staff, *, days: Collection[date], actor: Actor, now: datetime) -> None:
    """Make these days rest days; other days stay as they are."""
    must_roster(actor, person)
    write_days({person: dict.fromkeys(days, Plan(str(Shift.Kind.REST)))}, actor=actor, now=now)


@transaction.atomic
def copy_week(people: Collection[Staff], *, to: date, actor: Actor, now: datetime) -> int:
    """Give the week that begins on `to` the rest days and times of the week before. Returns how many days were set.

    Days that have passed and approved leave stay; leave of the week before is no pattern and is not copied.
    """
    rows = Shift.objects.filter(staff__in=people, day__gte=to - timedelta(days=7), day__lt=to)
    shown = {
        (row.staff_id, row.day + timedelta(days=7)): None
        if row.kind == Shift.Kind.LEAVE
        else Plan(row.kind, row.time_id)
        for row in rows
    }
    return _fill(people, {to + timedelta(days=n) for n in range(7)}, shown, actor=actor, now=now)


@transaction.atomic
def fill_week(
    people: Collection[Staff], *, start: date, shift_time: ShiftTime | None, actor: Actor, now: datetime
) -> int:
    """Give every day of a week that nobody has set yet this 班次. Returns how many days were set."""
    days = [start + timedelta(days=n) for n in range(7)]
    known = set(Shift.objects.filter(staff__in=people, day__in=days).values_list("staff_id", "day"))
    plan = Plan(str(Shift.Kind.WORK), shift_time.pk if shift_time else None)
    empty = {(one.pk, day): plan for one in people for day in days if (one.pk, day) not in known}
    return _fill(people, set(days), empty, actor=actor, now=now, others_stay=True)


def _fill(
    people: Collection[Staff],
    days: set[date],
    shown: Mapping[tuple[int, date], Plan | None],
    *,
    actor: Actor,
    now: datetime,
    others_stay: bool = False,
) -> int:
    for person in people:
        must_roster(actor, person)
    today = local_day(now)
    kept = set(Shift.objects.filter(staff__in=people, day__in=days, leave__isnull=False).values_list("staff_id", "day"))
    wanted: dict[Staff, dict[date, Plan | None]] = {}
    for person in people:
        for day in sorted(days):
            key = (person.pk, day)
            if day >= today and key not in kept and (key in shown or not others_stay):
                wanted.setdefault(person, {})[day] = shown.get(key)
    write_days(wanted, actor=actor, now=now)
    return sum(len(plans) for plans in wanted.values())


def write_days(wanted: Wanted, *, actor: Actor, now: datetime, over_leave: bool = False) -> None:
    """Write days of people in a few statements, and tell of those from today on on which being away changed.

    Asks nobody's permission. Raises Invalid for a kind that is none, OnLeave where approved leave stands on a day
    (`over_leave`: the leave itself is written or ended).
    """
    wanted = {person: plans for person, plans in wanted.items() if plans}
    if not wanted:
        return
    days = sorted({day for plans in wanted.values() for day in plans})
    kinds = {plan.kind for plans in wanted.values() for plan in plans.values() if plan}
    if unknown := kinds - set(Shift.Kind.values):
        raise Invalid(_("没有这种班次：%(kind)s") % {"kind": sorted(unknown)[0]})
    # Two edits of one person's days come one after the other.
    list(Staff.objects.filter(pk__in=[one.pk for one in wanted]).order_by("pk").select_for_update().values_list("pk"))
    before = {(row.staff_id, row.day): row for row in Shift.objects.filter(staff__in=list(wanted), day__in=days)}
    if not over_leave:
        for person, plans in wanted.items():
            if taken := [day for day in sorted(plans) if (row := before.get((person.pk, day))) and row.leave_id]:
                raise OnLeave(
                    _("%(name)s %(day)s 请了假，要改先到「请假」里取消")
                    % {"name": person.name, "day": f"{taken[0]:%m-%d}"}
                )
    rows = [
        Shift(staff=person, day=day, kind=plan.kind, time_id=plan.time_id, half_off=plan.half_off, leave_id=plan.leave_id)
        for person, plans in wanted.items() for day, plan in sorted(plans.items()) if plan
    ]  # fmt: skip
    Shift.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["staff", "day"], update_fields=["kind", "time", "half_off", "leave"]
    )
    gone = [row.pk for (pk, day), row in before.items() for person in wanted
            if person.pk == pk and day in wanted[person] and wanted[person][day] is None]  # fmt: skip
    if gone:
        Shift.objects.filter(pk__in=gone).delete()
    for person, plans in wanted.items():
        _tell(person, plans, {day: row for (pk, day), row in before.items() if pk == person.pk}, actor=actor, now=now)


def _tell(
    person: Staff, plans: Mapping[date, Plan | None], before: Mapping[date, Shift], *, actor: Actor, now: datetime
) -> None:
    was = {day: before[day].kind if day in before else "" for day in plans}
    will = {day: plan.kind if plan else "" for day, plan in plans.items()}
    if changed := [day for day in sorted(plans) if (was[day] in AWAY) != (will[day] in AWAY)]:
        audit.record(
            actor, "attendance.shifts_set", person,
            before={str(day): was[day] for day in changed}, after={str(day): will[day] for day in changed},
        )  # fmt: skip
        if coming := [day.isoformat() for day in changed if day >= local_day(now)]:
            outbox.publish(StaffAwayChanged(staff_id=person.pk, days=coming))


class NotYourTimes(Forbidden):
    code, title = "perm.shift_times", _("班次由零售部和系统管理员维护")


@transaction.atomic
def set_shift_time(
    row: ShiftTime | None, *, name: str, short: str, starts_at: time, ends_at: time, is_open: bool, reason: str,
    actor: Actor, now: datetime,
) -> ShiftTime:  # fmt: skip
    """Open a 班次 for the stores, or change one; it counts for the days that have it from now on, past ones too.

    Raises NotYourTimes, or Invalid for a name that is taken or times that do not fit.
    """
    if not actor.has_role("hq_retail", "sys_admin"):
        raise NotYourTimes()
    reason = desk.needs_reason(reason)
    name, short = name.strip()[:8], (short.strip() or name.strip())[:1]
    if not name:
        raise Invalid(_("写一下班次叫什么"))
    if starts_at >= ends_at:
        raise Invalid(_("下班要晚于上班"))
    others = ShiftTime.objects.filter(name=name)
    if (others.exclude(pk=row.pk) if row else others).exists():
        raise Invalid(_("已经有一个叫「%(name)s」的班次") % {"name": name})
    facts = {"name": name, "short": short, "starts_at": starts_at, "ends_at": ends_at, "is_open": is_open}
    before = {key: str(getattr(row, key)) for key in facts} if row else {}
    if row is None:
        row = ShiftTime.objects.create(**facts, place=ShiftTime.objects.count() + 1)
    else:
        for key, value in facts.items():
            setattr(row, key, value)
        row.save(update_fields=list(facts))
    after = {key: str(value) for key, value in facts.items()}
    audit.record(actor, "attendance.shift_time_set", row, before=before, after=after, reason=reason)
    return row


def must_roster(actor: Actor, person: Staff) -> None:
    """Raise NotYourRoster where a person's days are not this actor's to set."""
    if actor.is_system:
        return
    if person.pk == actor.staff_id and not actor.has_role("area_supervisor"):
        raise NotYourRoster(_("自己的休息和请假由上一级来定。"))
    scope = under_grants(actor.reach(*ROSTER_ROLES), path="unit__path", store="store_id")
    if not Staff.objects.filter(scope, pk=person.pk).exists():
        raise NotYourRoster(_("只能给自己管的门店排班。"))
