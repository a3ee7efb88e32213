"""补卡 and 外勤: asked with a reason, decided by one level up, and then a punch like any other."""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from guides.approvals.models import Approval
from guides.approvals.services import AlreadyAsked, ask_approval
from guides.attendance.calendar import day_of
from guides.org.models import OrgUnit, Staff
from yejibao.core import audit, clock, files
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.files import StoredFile
from yejibao.core.scope import Actor

from . import rules
from .judging import ROLES, judge
from .models import ClockCorrection, ClockPunch, ClockRecord, Side
from .services import NoStore

KIND = "attendance.correction"  # four_eyes.yaml
ROOM = "clock"
REASON_MOST = 200
PHOTO_OFF = timedelta(minutes=10)
State = ClockCorrection.State

files.room(
    ROOM, rows=lambda actor: ClockCorrection.objects.visible_to(actor), may_add=lambda actor: actor.has_role(*ROLES), most=3
)  # fmt: skip


class NothingToMend(Conflict):
    code, title = "clock.nothing_to_mend", _("这天的卡是好的，不用补")


@transaction.atomic
def ask_correction(
    *,
    actor: Actor,
    side: str,
    at: datetime,
    sort: str,
    reason: str,
    now: datetime,
    photos: Collection[UUID] = (),
    distance_m: int | None = None,
) -> ClockCorrection:
    """Ask that a moment counts as clocked in or out. The head of the store decides; of the manager, her supervisor.

    Raises NoStore, Invalid (which field), NothingToMend, or AlreadyAsked while the same waits.
    """
    if actor.staff_id is None or not actor.has_role(*ROLES):
        raise NoStore()
    person = Staff.objects.select_related("store").get(pk=actor.staff_id)
    if person.store is None:
        raise NoStore()
    day = clock.local_day(at)
    _must_make_sense(side, at, sort, reason, now=now)
    record = ClockRecord.objects.filter(staff=person, day=day).first()
    _must_be_needed(person, record, side, at)
    store_id = record.store_id if record else person.store_id
    try:
        with transaction.atomic():
            row = ClockCorrection.objects.create(
                staff=person, store_id=store_id, day=day, side=side, at=at, sort=sort, reason=reason.strip(),
                distance_m=distance_m, asked_at=now,
            )  # fmt: skip
    except IntegrityError:
        raise AlreadyAsked() from None
    kept = files.attach(photos, room=ROOM, owner_id=row.pk, by_id=person.pk)
    local = at.astimezone(clock.SHANGHAI)
    row.flags = _photo_flags(kept, at)
    row.approval = ask_approval(
        KIND, key=f"clock:{row.pk}", reason=f"{row.get_sort_display()}：{row.reason}"[:255], url=f"/m/attendance/?day={day}",
        title=f"补{row.get_side_display()}卡 {local.month}-{local.day:02} {local.hour}:{local.minute:02}",
        unit=OrgUnit.objects.get(store=store_id), facts={"correction": row.pk}, actor=actor, now=now,
    )  # fmt: skip
    row.save(update_fields=["approval", "flags"])
    return row


def _must_make_sense(side: str, at: datetime, sort: str, reason: str, *, now: datetime) -> None:
    wrong: list[dict[str, Any]] = []
    most = rules.CORRECTION_DAYS.at(now)
    if side not in Side.values:
        wrong.append({"field": "side", "code": "invalid", "message": "选上班还是下班"})
    if sort not in ClockCorrection.Sort.values:
        wrong.append({"field": "sort", "code": "invalid", "message": "选一个原因"})
    if not 2 <= len(reason.strip()) <= REASON_MOST:
        wrong.append({"field": "reason", "code": "required", "message": "写一句为什么，最多 200 个字"})
    if at > now:
        wrong.append({"field": "at", "code": "invalid", "message": "这个时间还没到"})
    elif clock.local_day(at) < clock.local_day(now) - timedelta(days=most):
        wrong.append({"field": "at", "code": "invalid", "message": f"只能补 {most} 天之内的，再早的找店长"})
    if wrong:
        raise Invalid(wrong[0]["message"], errors=wrong)


def _must_be_needed(person: Staff, record: ClockRecord | None, side: str, at: datetime) -> None:
    """Raise NothingToMend where the moment would change nothing, or nothing was due that day."""
    if record is None:
        if not day_of(person, clock.local_day(at)).is_work:
            raise NothingToMend(_("这天是休息或请假，不用补卡"))
    elif (
        side == Side.IN
        and record.in_at is not None
        and (not record.late_minutes or record.in_at <= at)
        or side == Side.OUT
        and record.out_at is not None
        and record.out_at >= at
    ):
        raise NothingToMend()
    if side == Side.OUT and (record is None or record.in_at is None or at < record.in_at):
        raise Invalid(
            _("先补上班卡，下班要晚于上班"), errors=[{"field": "at", "code": "invalid", "message": "下班要晚于上班"}]
        )


def _photo_flags(kept: Collection[StoredFile], at: datetime) -> list[str]:
    """Return what is odd about the photos: seen before, or taken at another time than is claimed."""
    looks = [one.look for one in kept if one.look is not None]
    found = []
    if looks and StoredFile.objects.filter(room=ROOM, look__in=looks).exclude(pk__in=[one.pk for one in kept]).exists():
        found.append("old_photo")
    if any(one.taken_at is not None and abs(one.taken_at - at) > PHOTO_OFF for one in kept):
        found.append("photo_time")
    return found


def settle_correction(approval: Approval, *, actor: Actor, now: datetime) -> None:
    """Let what was approved count, or close it. Runs where the decision is made, in its transaction."""
    rows = ClockCorrection.objects.select_for_update(of=("self",))
    row = rows.filter(pk=approval.facts.get("correction"), state=State.ASKED).first()
    if row is None:
        return
    row.state, row.decided_at = State(approval.state), now
    row.save(update_fields=["state", "decided_at"])
    audit.record(actor, "attendance.correction", row, after={"day": str(row.day), "side": row.side, "state": row.state})
    if row.state != State.APPROVED:
        return
    ClockPunch.objects.create(
        staff_id=row.staff_id, store_id=row.store_id, day=row.day, side=row.side, at=row.at, recorded_at=now,
        way=ClockPunch.Way.CORRECTION, distance_m=row.distance_m, flags=row.flags, source_key=f"correction:{row.pk}",
    )  # fmt: skip
    judge([(row.staff_id, row.day)], now=now)


def days_open(now: datetime) -> tuple[date, date]:
    """Return the first and the last day that may still be mended."""
    today = clock.local_day(now)
    return today - timedelta(days=rules.CORRECTION_DAYS.at(now)), today
