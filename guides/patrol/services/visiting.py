"""Beginning a patrol at the store, and giving one up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from guides.attendance.clockin.fencing import Fix, judged, nearest
from guides.attendance.clockin.geo import is_somewhere
from guides.attendance.clockin.models import StoreFence
from guides.org.models import Store
from yejibao.core import audit, clock, files
from yejibao.core.errors import Forbidden, Invalid
from yejibao.core.scope import Actor

from ..book import book
from ..models import CheckIn, Checklist, PatrolPhoto, PlannedVisit, Visit
from ..scoped import DO, SELF, department_of, stores_of_own, stores_to_patrol

ROOM = "patrol"
files.room(
    ROOM,
    rows=lambda actor: PatrolPhoto.objects.visible_to(actor).filter(removed_at=None),
    may_add=lambda actor: actor.may(DO) or actor.may(SELF),
)
NEAR, UNSET = CheckIn.Result.NEAR, CheckIn.Result.UNSET


class NotYourStore(Forbidden):
    code, title = "perm.patrol_store", _("这家门店不归你巡")


class NoReason(Invalid):
    """He is not there, or nobody can tell: then he says why, with a photo."""

    code, title = "patrol.place_unclear", _("没能确认你在门店")


@dataclass(frozen=True)
class Arrival:
    """How somebody shows that he is there: what his phone tells, or a reason with a photo that was sent ahead."""

    fix: Fix | None = None
    reason: str = ""
    photo: UUID | None = None


@transaction.atomic
def start_visit(
    store: Store, *, kind: str, is_full: bool, arrival: Arrival, actor: Actor, now: datetime
) -> tuple[Visit, bool]:
    """Begin a patrol and return it with True; the one he has open there already with False.

    `is_full`: of HQ, all items instead of those of the own department. Raises NotYourStore or NoReason.
    """
    role = _role(actor, kind)
    assert actor.staff_id is not None  # the system holds none of these roles
    if not Store.objects.filter(_reach(actor, kind), pk=store.pk, closed_on=None).exists():
        raise NotYourStore()
    if found := Visit.objects.filter(patroller_id=actor.staff_id, store=store, state=Visit.State.DRAFT).first():
        return found, False
    department = department_of(role) if kind == Visit.Kind.HQ else ""
    checklist = Checklist.objects.get(is_current=True)
    is_full = (
        is_full or not checklist.items.filter(department=department).exists()
    )  # 特许经销部 has no items of its own
    day = clock.local_day(now)
    planned = PlannedVisit.objects.filter(patroller_id=actor.staff_id, store=store, day=day, dropped_at=None).first()
    try:
        with transaction.atomic():
            visit = Visit.objects.create(
                checklist=checklist, store=store, patroller_id=actor.staff_id, kind=kind, role=role, planned=planned,
                department="" if is_full else department, started_at=now,
            )  # fmt: skip
    except IntegrityError:  # two taps at once
        return Visit.objects.get(patroller_id=actor.staff_id, store=store, state=Visit.State.DRAFT), False
    check_in(visit, CheckIn.Moment.START, arrival, actor=actor, now=now)
    return visit, True


@transaction.atomic
def drop_visit(visit: Visit, *, actor: Actor, now: datetime) -> None:
    """Give up a patrol that was begun by mistake; it counts nowhere. Raises Conflict if it is handed in."""
    visit.move_to(Visit.State.DROPPED, ended_at=now)
    audit.record(actor, "patrol.dropped", visit)


def check_in(visit: Visit, moment: str, arrival: Arrival, *, actor: Actor, now: datetime) -> CheckIn:
    """Write down how far from the store somebody is. Raises NoReason where that is not near and he says nothing."""
    result, distance, flags = judge(visit.store, arrival.fix)
    reason = arrival.reason.strip()[:120]
    if result not in (NEAR, UNSET) and (not reason or arrival.photo is None):
        raise NoReason(_WHY[result], result=str(result), distance_m=distance)
    row, _made = CheckIn.objects.update_or_create(
        visit=visit,
        moment=moment,
        defaults={
            "result": result, "at": now, "distance_m": distance, "flags": flags, "reason": reason,
            "accuracy_m": round(arrival.fix.accuracy_m) if arrival.fix else None,
        },
    )  # fmt: skip
    if arrival.photo is not None and actor.staff_id is not None:
        photo, made = PatrolPhoto.objects.get_or_create(
            client_id=arrival.photo,
            defaults={
                "visit": visit, "purpose": moment, "taken_at": now, "received_at": now, "by_id": actor.staff_id,
            },
        )  # fmt: skip
        if made:
            files.attach([arrival.photo], room=ROOM, owner_id=photo.pk, by_id=actor.staff_id)
    return row


_WHY = {
    CheckIn.Result.FAR: _("定位显示你不在门店附近。如果确实在店里，写一下原因，再拍一张现场照片。"),
    CheckIn.Result.UNCLEAR: _("定位不准。到窗边再试一次，或者写一下原因，再拍一张现场照片。"),
    CheckIn.Result.NONE: _("没拿到定位。写一下原因，再拍一张现场照片。"),
}


def judge(store: Store, fix: Fix | None) -> tuple[CheckIn.Result, int | None, list[str]]:
    """Return whether somebody is at a store, how far off, and what about the fix is odd (reliability-security §9)."""
    if fix is None or not is_somewhere(fix.latitude, fix.longitude):
        return CheckIn.Result.NONE, None, []
    flags = ["round_accuracy"] if fix.accuracy_m <= 0 or fix.accuracy_m % 10 == 0 else []
    near = nearest(fix, StoreFence.objects.filter(store=store))
    if near is None:
        return UNSET, None, flags
    why = judged(fix, near[1], radius=book()["check_in"]["geo_radius_m"])
    return _RESULT[why], near[1], flags


_RESULT = {"": NEAR, "far": CheckIn.Result.FAR, "stale": CheckIn.Result.UNCLEAR, "inexact": CheckIn.Result.UNCLEAR}


def _role(actor: Actor, kind: str) -> str:
    """Return in which of his roles somebody patrols: the one he works in, if it may. Raises Forbidden."""
    if kind not in Visit.Kind.values:
        raise Invalid(_("没有这种巡店"))
    if not actor.may(SELF if kind == Visit.Kind.SELF else DO):
        raise Forbidden(permission="patrol.self" if kind == Visit.Kind.SELF else "patrol.do")
    fitting = [role for role in book()["patrol_kinds"][kind]["by"] if actor.has_role(role)]
    if not fitting:
        raise NotYourStore()
    return actor.working_role if actor.working_role in fitting else fitting[0]


def _reach(actor: Actor, kind: str) -> Q:
    return stores_of_own(actor) if kind == Visit.Kind.SELF else stores_to_patrol(actor)
