"""All writes to the shift table."""

from collections.abc import Collection
from datetime import date, datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from guides.events import StaffAwayChanged
from guides.org.models import Staff
from guides.org.scoped import under_grants
from yejibao.core import audit, outbox, tunables
from yejibao.core.errors import Forbidden, Invalid
from yejibao.core.scope import Actor

from .models import Shift
from .queries import AWAY

# 排班 is the store manager's; a manager's own leave is decided one level up (org_and_roles.yaml, 店长请假审批).
LONGEST_LEAVE = tunables.number(
    "longest-leave", group="请假和调店", name="一次请假最长几天", unit="天", default=184, least=7, most=366,
    why="更长的要走转交会员：会员不能几个月没人管",
)  # fmt: skip
ROSTER_ROLES = ("store_manager", "area_supervisor")


class NotYourRoster(Forbidden):
    code, title = "perm.roster", _("不能给这位同事排班")


@transaction.atomic
def set_shift(person: Staff, *, day: date, kind: str, actor: Actor, now: datetime) -> Shift:
    """Set what one day of a person is: work, rest or leave. Raises NotYourRoster or Invalid."""
    _set(person, {day: kind}, actor=actor, now=now)
    return Shift.objects.get(staff=person, day=day)


@transaction.atomic
def set_rest_days(person: Staff, *, days: Collection[date], actor: Actor, now: datetime) -> None:
    """Make these days rest days; other days stay as they are."""
    _set(person, dict.fromkeys(days, str(Shift.Kind.REST)), actor=actor, now=now)


@transaction.atomic
def set_leave(
    person: Staff, *, starts_on: date, ends_on: date, actor: Actor, now: datetime, backup: Staff | None = None
) -> int:
    """Enter a leave of several days, both included, and who does the work meanwhile. Returns the number of days.

    Her members stay hers: the work goes to the backup by the rules of each task. Raises NotYourRoster or Invalid.
    """
    length = (ends_on - starts_on).days + 1
    most = LONGEST_LEAVE.at(now)
    if not 0 < length <= most:
        raise Invalid(_("起止日期不对，一次最长 %(most)d 天") % {"most": most})
    if backup is not None and (backup.pk == person.pk or backup.store_id != person.store_id or not backup.is_active):
        raise Invalid(_("代办人要是同一家店在职的同事"))
    days = [starts_on + timedelta(days=number) for number in range(length)]
    _must_roster(actor, person)
    if backup is not None and backup.pk != person.backup_guide_id:
        audit.record(
            actor,
            "attendance.backup_set",
            person,
            before={"backup": person.backup_guide_id},
            after={"backup": backup.pk},
        )
        Staff.objects.filter(pk=person.pk).update(backup_guide=backup)
    _set(person, dict.fromkeys(days, str(Shift.Kind.LEAVE)), actor=actor, now=now)
    return length


def _set(person: Staff, wanted: dict[date, str], *, actor: Actor, now: datetime) -> None:
    """Write the days in one statement and tell of those on which being away changed."""
    if not wanted:
        return
    if unknown := set(wanted.values()) - set(Shift.Kind.values):
        raise Invalid(_("没有这种班次：%(kind)s") % {"kind": sorted(unknown)[0]})
    _must_roster(actor, person)
    Staff.objects.select_for_update().get(pk=person.pk)  # two edits of one person's days come one after the other
    before = dict(Shift.objects.filter(staff=person, day__in=wanted).values_list("day", "kind"))
    Shift.objects.bulk_create(
        [Shift(staff=person, day=day, kind=kind) for day, kind in sorted(wanted.items())],
        update_conflicts=True,
        unique_fields=["staff", "day"],
        update_fields=["kind"],
    )
    changed = sorted(day for day, kind in wanted.items() if (kind in AWAY) != (before.get(day) in AWAY))
    if changed:
        audit.record(
            actor,
            "attendance.shifts_set",
            person,
            before={str(day): before.get(day, "") for day in changed},
            after={str(day): wanted[day] for day in changed},
        )
        outbox.publish(StaffAwayChanged(staff_id=person.pk, days=[day.isoformat() for day in changed]))


def _must_roster(actor: Actor, person: Staff) -> None:
    if actor.is_system:
        return
    if person.pk == actor.staff_id and not actor.has_role("area_supervisor"):
        raise NotYourRoster(_("自己的休息和请假由上一级来定。"))
    scope = under_grants(actor.reach(*ROSTER_ROLES), path="unit__path", store="store_id")
    if not Staff.objects.filter(scope, pk=person.pk).exists():
        raise NotYourRoster(_("只能给自己管的门店排班。"))
