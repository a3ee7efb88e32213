"""The one calendar: for a person and a day work, rest or leave, from when to when, and which holiday it is.

Clock-in, tasks, backups and ticket clocks all read it. Three rules make it:

* the roster's row says it; a day without a row is a working day in a store, at HQ what the calendar of holidays says;
* somebody whose employment state is 请假中 is away on every day that has no row saying he works;
* a working day runs by its 班次, else by the store's hours; a half day's leave cuts it at noon.

The clocks at the end are pure: hours come in, instants go out.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet

from guides.org.models import Staff
from guides.org.queries import managers_of_stores
from yejibao.core import clock

from .models import Holiday, Shift

AWAY = (Shift.Kind.REST, Shift.Kind.LEAVE)
NOON = time(13, 30)  # where a half day's leave begins or ends
OFFICE_HOURS = (time(9, 0), time(18, 0))  # of people without a store
WEEKEND = (5, 6)
ONE_DAY = timedelta(days=1)

Hours = tuple[time, time]
HoursOf = Callable[[date], Hours | None]  # the hours of a day, None for a day on which the clock stands


@dataclass(frozen=True)
class Day:
    """One day of one person. `starts_at` and `ends_at` are the local times of the work, None on a day away."""

    day: date
    kind: str  # work, rest, leave
    starts_at: time | None
    ends_at: time | None
    shift: str = ""  # name of the 班次, "" for the store's hours
    half_off: str = ""  # am, pm: that half is leave
    holiday: str = ""  # 国庆节; on a working weekend what it makes up for
    holiday_kind: str = ""  # statutory, bridge, workday
    is_set: bool = False  # the roster says so, it is no default
    time_id: int | None = None  # of the 班次
    leave_id: int | None = None  # the approved request it comes from

    @property
    def is_work(self) -> bool:
        return self.kind == Shift.Kind.WORK

    @property
    def hours(self) -> Hours | None:
        return (self.starts_at, self.ends_at) if self.starts_at and self.ends_at else None


def days_of(people: Collection[Staff], start: date, end: date) -> dict[tuple[int, date], Day]:
    """Return every day of `[start, end)` for each person, in three statements for any number (stores read with them: two)."""
    rows = {
        (row.staff_id, row.day): row
        for row in Shift.objects.filter(staff__in=people, day__gte=start, day__lt=end).select_related("time")
    }
    marked = holidays_between(start, end)
    stores = [person.pk for person in people if person.store_id and not _knows_store(person)]
    known = Staff.objects.select_related("store").in_bulk(stores) if stores else {}
    found: dict[tuple[int, date], Day] = {}
    for person in people:
        store = known[person.pk].store if person.pk in known else person.store
        hours = (store.opens_at, store.closes_at) if store else OFFICE_HOURS
        for day in _each_day(start, end):
            row = rows.get((person.pk, day))
            found[person.pk, day] = _day(day, row, _default(person, day, marked.get(day)), hours, marked.get(day))
    return found


def day_of(person: Staff, day: date) -> Day:
    """Return one day of one person."""
    return days_of([person], day, day + ONE_DAY)[person.pk, day]


def _knows_store(person: Staff) -> bool:
    return bool(Staff._meta.get_field("store").is_cached(person))


def _default(person: Staff, day: date, marked: Holiday | None) -> str:
    """Return what a day without a row is."""
    if person.state == Staff.State.LEAVE:
        return str(Shift.Kind.LEAVE)
    if person.store_id or _is_working(day, marked):
        return str(Shift.Kind.WORK)
    return str(Shift.Kind.REST)


def _day(day: date, row: Shift | None, default: str, hours: Hours, marked: Holiday | None) -> Day:
    kind, half = (row.kind, row.half_off) if row else (default, "")
    starts_at, ends_at = (row.time.starts_at, row.time.ends_at) if row and row.time else hours
    if half == Shift.Half.MORNING:
        starts_at = max(starts_at, NOON)
    elif half == Shift.Half.AFTERNOON:
        ends_at = min(ends_at, NOON)
    is_work = kind == Shift.Kind.WORK and starts_at < ends_at  # a late shift whose half is leave is a day of leave
    kind = kind if is_work or kind != Shift.Kind.WORK else str(Shift.Kind.LEAVE)
    return Day(
        day, kind, starts_at if is_work else None, ends_at if is_work else None,
        shift=row.time.name if row and row.time and is_work else "", half_off=half if is_work else "",
        holiday=marked.name if marked else "", holiday_kind=marked.kind if marked else "", is_set=row is not None,
        time_id=row.time_id if row and is_work else None, leave_id=row.leave_id if row else None,
    )  # fmt: skip


# ---------------------------------------------------------------- who is away, and who stands in


def kinds_of(people: Collection[Staff], start: date, end: date) -> dict[tuple[int, date], str]:
    """Return what each day of `[start, end)` is for each person: work, rest or leave."""
    return {key: one.kind for key, one in days_of(people, start, end).items()}


def away_days(staff_ids: Collection[int], start: date, end: date) -> dict[int, set[date]]:
    """Return the days of `[start, end)` on which each person does not work; people without such a day are left out.

    Two statements, for guides: it reads no holidays, which change nothing in a store.
    """
    away: dict[int, set[date]] = defaultdict(set)
    if not staff_ids or start >= end:
        return {}
    at_work: set[tuple[int, date]] = set()
    rows = Shift.objects.filter(staff_id__in=staff_ids, day__gte=start, day__lt=end)
    for staff_id, day, kind in rows.values_list("staff_id", "day", "kind"):
        if kind in AWAY:
            away[staff_id].add(day)
        else:
            at_work.add((staff_id, day))
    on_leave = Staff.objects.filter(pk__in=staff_ids, state=Staff.State.LEAVE).values_list("pk", flat=True)
    for staff_id in on_leave:
        away[staff_id].update(day for day in _each_day(start, end) if (staff_id, day) not in at_work)
    return {staff_id: found for staff_id, found in away.items() if found}


def at_work(people: QuerySet[Staff], day: date) -> QuerySet[Staff]:
    """Narrow people of stores to those who work on a day, by the same rules; a subquery, no round trip."""
    rows = Shift.objects.filter(staff=OuterRef("pk"), day=day)
    away = Exists(rows.filter(kind__in=AWAY))
    return people.exclude(away).exclude(Q(state=Staff.State.LEAVE) & ~Exists(rows))


def away(staff: str, day: str) -> str:
    """Return SQL telling whether a person's roster says rest or leave on a day, for set-based statements.

    `OFFSET 0`: looked up for each person. Else a kept plan made while the roster was short would read all of it.
    """
    return (
        f"EXISTS (SELECT 1 FROM guides_shift sh WHERE sh.staff_id = {staff} AND sh.day = {day} "
        "AND sh.kind IN ('rest', 'leave') OFFSET 0)"
    )


def stand_ins(staff_ids: Collection[int], day: date) -> dict[int, int | None]:
    """Return who does each person's work on a day: himself, else his backup of that store on duty, else the store manager.

    A person away for whom nobody is there has None; so has who left, unless his backup or the manager is there.
    """
    people = Staff.objects.select_related("backup_guide").in_bulk(list(staff_ids))
    backups = [one.backup_guide for one in people.values() if one.backup_guide]
    gone = set(away_days({*people, *(one.pk for one in backups)}, day, day + ONE_DAY))
    there = {pk: pk not in gone and one.is_active for pk, one in people.items()}
    heads = managers_of_stores({one.store_id for pk, one in people.items() if not there[pk] and one.store_id}, day=day)
    found: dict[int, int | None] = {}
    for pk, person in people.items():
        helper = person.backup_guide
        if there[pk]:
            found[pk] = pk
        elif helper and helper.is_active and helper.store_id == person.store_id and helper.pk not in gone:
            found[pk] = helper.pk
        else:
            head = heads.get(person.store_id or 0)
            found[pk] = head if head != pk else None
    return found


# ---------------------------------------------------------------- holidays and working days


def holidays_between(start: date, end: date) -> dict[date, Holiday]:
    """Return the marked days of `[start, end)`: holidays, days off moved to them, working weekends."""
    marked = Holiday.objects.filter(day__gte=start, day__lt=end).exclude(kind=Holiday.Kind.ORDINARY)
    return {row.day: row for row in marked}


def is_working_day(day: date) -> bool:
    """Tell whether an office works on a day (法定节假日 and 调休 counted); stores do on every day."""
    return _is_working(day, holidays_between(day, day + ONE_DAY).get(day))


def working_days(start: date, end: date) -> list[date]:
    """Return the office's working days of `[start, end)`, with one statement."""
    marked = holidays_between(start, end)
    return [day for day in _each_day(start, end) if _is_working(day, marked.get(day))]


def _is_working(day: date, marked: Holiday | None) -> bool:
    return marked.kind == Holiday.Kind.WORKDAY if marked else day.weekday() not in WEEKEND


def _each_day(start: date, end: date) -> Iterator[date]:
    return (start + timedelta(days=number) for number in range((end - start).days))


# ---------------------------------------------------------------- clocks that run in working hours only


def open_all_days(opens_at: time, closes_at: time) -> HoursOf:
    """Return the hours of a place that is open every day, as stores are."""
    return lambda day: (opens_at, closes_at)


def hours_at_work(days: Iterable[Day]) -> HoursOf:
    """Return a person's own hours; on a day away, or not among these, her clock stands."""
    known = {one.day: one.hours for one in days}
    return known.get


def advance(moment: datetime, minutes: float, hours: HoursOf, *, within_days: int = 370) -> datetime | None:
    """Return when so many working minutes after a moment are over; None where they are not within so many days.

    2025-03-01 21:50 and 30 minutes of 09:30–22:00 → 2025-03-02 09:50. A clock that ends with the day ends at closing.
    """
    left = timedelta(minutes=minutes)
    day = clock.local_day(moment)
    for number in range(within_days):
        if span := _span(day + timedelta(days=number), hours, moment, None):
            begins, ends = span
            if left <= ends - begins:
                return begins + left
            left -= ends - begins
    return None


def working_minutes(start: datetime, end: datetime, hours: HoursOf) -> float:
    """Return the working minutes between two moments; 0 where the second is not later."""
    total, day, last = timedelta(), clock.local_day(start), clock.local_day(end)
    while day <= last:
        if span := _span(day, hours, start, end):
            total += span[1] - span[0]
        day += ONE_DAY
    return total.total_seconds() / 60


def _span(day: date, hours: HoursOf, after: datetime, before: datetime | None) -> tuple[datetime, datetime] | None:
    """Return the part of a day's hours that lies between two moments."""
    of_day = hours(day)
    if of_day is None:
        return None
    begins = max(clock.local_moment(day, of_day[0]), after)
    ends = clock.local_moment(day, of_day[1])
    ends = min(ends, before) if before else ends
    return (begins, ends) if begins < ends else None
