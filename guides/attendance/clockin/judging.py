"""What a day came to: 正常, 迟到 or 缺卡, from the punches that count and the calendar. Run again, it says the same."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import connection, transaction

from guides.attendance.calendar import NOON, ONE_DAY, Day, days_of
from guides.org.models import Staff
from yejibao.core import clock

from . import rules
from .models import ClockPunch, ClockRecord, Side

Key = tuple[int, date]  # (staff id, day)
State = ClockRecord.State
# Whose days are looked at: these roles in a store. Others at HQ clock in elsewhere.
ROLES = ("guide", "store_manager")

# Who is to be at work on %(day)s, where, from when to when, as instants: the rules of attendance.calendar in SQL. Only of
# stores that have a place to clock in at, from the day after it was set: where nobody can, nobody failed to.
EXPECTED = """
    SELECT person.id AS staff_id, store.id AS store_id,
        (%(day)s + CASE WHEN shift.half_off = 'am' THEN greatest(coalesce(hours.starts_at, store.opens_at), %(noon)s)
            ELSE coalesce(hours.starts_at, store.opens_at) END) AT TIME ZONE 'Asia/Shanghai' AS starts_at,
        (%(day)s + CASE WHEN shift.half_off = 'pm' THEN least(coalesce(hours.ends_at, store.closes_at), %(noon)s)
            ELSE coalesce(hours.ends_at, store.closes_at) END) AT TIME ZONE 'Asia/Shanghai' AS ends_at
    FROM guides_staff person
    JOIN guides_store store ON store.id = person.store_id
    LEFT JOIN guides_shift shift ON shift.staff_id = person.id AND shift.day = %(day)s
    LEFT JOIN guides_shifttime hours ON hours.id = shift.time_id
    WHERE person.state = ANY (%(employed)s) AND coalesce(person.joined_on, %(day)s) <= %(day)s
      AND coalesce(store.opened_on, %(day)s) <= %(day)s AND coalesce(store.closed_on > %(day)s, true)
      AND coalesce(shift.kind, CASE person.state WHEN 'leave' THEN 'leave' ELSE 'work' END) = 'work'
      AND EXISTS (SELECT 1 FROM guides_roleassignment held WHERE held.staff_id = person.id AND held.role = ANY (%(roles)s)
        AND coalesce(held.starts_on, %(day)s) <= %(day)s AND coalesce(held.ends_on, %(day)s) >= %(day)s)
      AND (EXISTS (SELECT 1 FROM guides_storefence f WHERE f.store_id = store.id AND f.since < %(day)s)
        OR EXISTS (SELECT 1 FROM guides_storewifi w WHERE w.store_id = store.id AND w.set_at < %(begins)s))
"""


def params(day: date) -> dict[str, Any]:
    """Return what EXPECTED asks for."""
    begins = clock.local_moment(day, time(0))
    return {"day": day, "begins": begins, "noon": NOON, "employed": list(Staff.MAY_SIGN_IN), "roles": list(ROLES)}


# ---------------------------------------------------------------- days with punches


@transaction.atomic
def judge(keys: Collection[Key], *, now: datetime) -> int:
    """Judge these days anew from what counts. Returns how many stand; a day without a punch keeps its 缺卡 if it was work.

    Takes the people's rows, in order, so that two who judge one person come one after the other.
    """
    if not keys:
        return 0
    staff_ids, days = {staff for staff, _ in keys}, [day for _, day in keys]
    locked = Staff.objects.filter(pk__in=staff_ids).order_by("pk").select_for_update(of=("self",), no_key=True)
    people = {person.pk: person for person in locked.select_related("store")}
    plans = days_of(list(people.values()), min(days), max(days) + ONE_DAY)
    punches = _punches(staff_ids, days)
    within = {"staff_id__in": staff_ids, "day__in": set(days)}
    before = {(row.staff_id, row.day): row for row in ClockRecord.objects.filter(**within)}
    grace = rules.GRACE.at(now)
    rows, gone = [], []
    for key in sorted(set(keys)):
        row = _judged(key, punches.get(key, []), plans[key], before.get(key), grace=grace, now=now)
        if row is not None:
            rows.append(row)
        elif key in before:
            gone.append(before[key].pk)
    ClockRecord.objects.filter(pk__in=gone).delete()
    ClockRecord.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["staff", "day"], batch_size=1000,
        update_fields=["store", "state", "starts_at", "in_at", "out_at", "way", "late_minutes", "flags", "judged_at"],
    )  # fmt: skip
    return len(rows)


def judge_again(keys: Collection[Key], *, now: datetime) -> int:
    """Judge those of these days that stand already: their roster changed."""
    staff_ids, days = {staff for staff, _ in keys}, {day for _, day in keys}
    rows = ClockRecord.objects.filter(staff_id__in=staff_ids, day__in=days).values_list("staff_id", "day")
    return judge(set(rows) & set(keys), now=now)


def _punches(staff_ids: Collection[int], days: Iterable[date]) -> dict[Key, list[ClockPunch]]:
    found: dict[Key, list[ClockPunch]] = defaultdict(list)
    rows = ClockPunch.objects.filter(staff_id__in=staff_ids, day__in=set(days), counts=True).defer("place")
    for row in rows.order_by("at", "pk"):
        found[row.staff_id, row.day].append(row)
    return found


def _judged(
    key: Key, punches: list[ClockPunch], plan: Day, before: ClockRecord | None, *, grace: int, now: datetime
) -> ClockRecord | None:
    """Return the row of a day, None where it has none."""
    first = next((one for one in punches if one.side == Side.IN), None)
    outs = [one for one in punches if one.side == Side.OUT and (first is None or one.at >= first.at)]
    out_at = outs[-1].at if outs else None
    flags = sorted({flag for one in punches for flag in one.flags})
    if first is None:
        if before is None or not plan.is_work:
            return None
        store_id, starts_at, late, way, in_at = before.store_id, before.starts_at, 0, "", None
    else:
        store_id, starts_at = first.store_id, _start(key[1], plan, before)
        late = late_minutes(first.at, starts_at) if starts_at else 0
        late = late if late > grace else 0
        way, in_at = first.way, first.at
    state = State.MISSING if first is None else State.LATE if late else State.NORMAL
    return ClockRecord(
        staff_id=key[0], store_id=store_id, day=key[1], state=state, starts_at=starts_at, in_at=in_at, out_at=out_at,
        way=way, late_minutes=late, flags=flags, judged_at=now,
    )  # fmt: skip


def _start(day: date, plan: Day, before: ClockRecord | None) -> datetime | None:
    """Return when the day began. What the roster says goes; hours of the store that changed since change no day that was judged."""
    if plan.starts_at is None:
        return None
    if before is not None and before.starts_at is not None and not (plan.shift or plan.half_off):
        return before.starts_at
    return clock.local_moment(day, plan.starts_at)


def late_minutes(at: datetime, starts_at: datetime) -> int:
    """Return the whole minutes somebody came late: at 9:30:59 for 9:30 none, at 9:31:00 one."""
    return max(0, int((at - starts_at).total_seconds() // 60))


# ---------------------------------------------------------------- days without


@transaction.atomic
def mark_missing(day: date, *, now: datetime) -> list[int]:
    """Write 缺卡 for everybody who was to work on a day that is over and pressed nothing; one statement for the company.

    Returns the people marked now; run again it marks nobody twice.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO guides_clockrecord (staff_id, store_id, day, state, starts_at, way, late_minutes, flags, judged_at)
            SELECT due.staff_id, due.store_id, %(day)s, 'missing', due.starts_at, '', 0, '{{}}', %(now)s FROM ({EXPECTED}) due
            WHERE due.starts_at < due.ends_at AND due.ends_at <= %(now)s
            ORDER BY due.staff_id ON CONFLICT (staff_id, day) DO NOTHING RETURNING staff_id
            """,
            params(day) | {"now": now},
        )
        return sorted(staff for (staff,) in cursor.fetchall())


def not_yet_here(day: date, *, after: timedelta, now: datetime) -> list[Key]:
    """Return who was to begin so long ago on a day still running and has not clocked in, as (staff id, store id)."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT due.staff_id, due.store_id FROM ({EXPECTED}) due
            WHERE due.starts_at <= %(now)s - %(after)s AND due.ends_at > %(now)s AND NOT EXISTS (
                SELECT 1 FROM guides_clockrecord r WHERE r.staff_id = due.staff_id AND r.day = %(day)s)
              AND NOT EXISTS (SELECT 1 FROM guides_clockcorrection c WHERE c.staff_id = due.staff_id AND c.day = %(day)s
                AND c.state = 'asked')
            ORDER BY due.staff_id
            """,
            params(day) | {"now": now, "after": after},
        )
        return list(cursor.fetchall())
