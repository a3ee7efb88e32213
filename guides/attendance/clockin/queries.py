"""Reads: somebody's days, a store's day by person, any unit's day in numbers, and who is there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from django.db import connection
from django.db.models import Q, QuerySet

from guides.attendance.calendar import ONE_DAY, Day, days_of
from guides.org.models import OrgUnit, RoleAssignment, Staff, Store
from guides.org.scoped import under_grants
from yejibao.core import clock
from yejibao.core.scope import Actor

from .judging import EXPECTED, ROLES, params
from .models import ClockCorrection, ClockPunch, ClockRecord, StoreFence, StoreWifi
from .scoped import BOARD, counted_stores, named_stores, sees_exceptions

State = ClockRecord.State


# ---------------------------------------------------------------- one person's days


@dataclass(frozen=True)
class Cell:
    """One day of one person, as a week or a month shows it."""

    day: date
    plan: Day
    record: ClockRecord | None
    waits: bool = False  # a correction is asked for
    is_today: bool = False
    is_over: bool = False

    @property
    def tone(self) -> str:
        if self.record is None:
            return "td" if self.is_today else "off" if not self.plan.is_work else ""
        return {State.NORMAL: "ok", State.LATE: "late", State.MISSING: "miss"}[State(self.record.state)]

    @property
    def words(self) -> str:
        """Return what the day came to, in a word or two."""
        if self.record is not None:
            late = f"迟到 {self.record.late_minutes} 分钟" if self.record.late_minutes else ""
            return late or self.record.get_state_display()
        if not self.plan.is_work:
            return "请假" if self.plan.kind == "leave" else "休息"
        return "今天" if self.is_today else "没有记录" if self.is_over else "上班"


def days_of_person(person: Staff, start: date, end: date, *, today: date) -> list[Cell]:
    """Return each day of `[start, end)` of one person: five statements at most."""
    plans = days_of([person], start, end)
    records = {row.day: row for row in ClockRecord.objects.filter(staff=person, day__gte=start, day__lt=end)}
    asked = ClockCorrection.objects.filter(staff=person, day__gte=start, day__lt=end, state=ClockCorrection.State.ASKED)
    waiting = set(asked.values_list("day", flat=True))
    days = [start + timedelta(days=number) for number in range((end - start).days)]
    return [
        Cell(day, plans[person.pk, day], records.get(day), day in waiting, day == today, day < today) for day in days
    ]


def tally(cells: Collection[Cell]) -> Counter[str]:
    """Return how many days came to what: normal, late, missing; `there` is the sum of the first two."""
    found: Counter[str] = Counter(str(cell.record.state) for cell in cells if cell.record)
    found["there"] = found[State.NORMAL] + found[State.LATE]
    return found


# ---------------------------------------------------------------- who is there


def present_on(day: date, *, store_ids: Collection[int]) -> dict[int, set[int]]:
    """Return who clocked in at each store on a day, by store; stores with nobody are left out. For who else has to know."""
    found: dict[int, set[int]] = {}
    rows = ClockRecord.objects.filter(day=day, store_id__in=store_ids, in_at__isnull=False)
    for store_id, staff_id in rows.values_list("store_id", "staff_id"):
        found.setdefault(store_id, set()).add(staff_id)
    return found


# ---------------------------------------------------------------- a store's day, by person


@dataclass(frozen=True)
class Line:
    """One person on the store's day."""

    person: Staff
    plan: Day
    record: ClockRecord | None
    punch: ClockPunch | None  # the one that counts as 上班
    correction: ClockCorrection | None
    state: str  # missing, absent (was to be here), late, here, later (not to be here yet), leave, rest

    @property
    def order(self) -> int:
        return ORDER[self.state]


ORDER = {"missing": 0, "absent": 1, "late": 2, "later": 3, "here": 4, "leave": 5, "rest": 6}
LABELS = {
    "missing": "缺卡", "absent": "还没到", "late": "迟到", "later": "没到点", "here": "到了", "leave": "请假", "rest": "休息",
}  # fmt: skip


def store_day(store: Store, day: date, *, now: datetime) -> list[Line]:
    """Return everybody of a store's day, who needs a word first. As many statements for any number of people."""
    held = RoleAssignment.objects.filter(RoleAssignment.in_force(day), role__in=ROLES)
    was_here = ClockRecord.objects.filter(day=day, store=store).values("staff_id")
    own = Q(store=store, state__in=Staff.MAY_SIGN_IN, pk__in=held.values("staff_id")) & (
        Q(joined_on=None) | Q(joined_on__lte=day)
    )
    people = list(Staff.objects.filter(own | Q(pk__in=was_here)).select_related("store").order_by("pk"))
    plans = days_of(people, day, day + ONE_DAY)
    records = {row.staff_id: row for row in ClockRecord.objects.filter(day=day, staff__in=people)}
    punches: dict[int, ClockPunch] = {}
    pressed = ClockPunch.objects.filter(day=day, staff__in=people, side="in", counts=True).defer("place")
    for punch in pressed.order_by("-at", "-pk"):
        punches[punch.staff_id] = punch
    asked = ClockCorrection.objects.filter(day=day, staff__in=people, state=ClockCorrection.State.ASKED)
    corrections = {row.staff_id: row for row in asked.order_by("pk")}
    lines = []
    for person in people:
        plan, record = plans[person.pk, day], records.get(person.pk)
        if record is not None and record.store_id != store.pk:
            continue  # helps in another store today
        state = _state(plan, record, day, now)
        lines.append(Line(person, plan, record, punches.get(person.pk), corrections.get(person.pk), state))
    return sorted(lines, key=lambda line: (line.order, line.person.pk))


def _state(plan: Day, record: ClockRecord | None, day: date, now: datetime) -> str:
    if record is not None:
        return {State.NORMAL: "here", State.LATE: "late", State.MISSING: "missing"}[State(record.state)]
    if plan.starts_at is None:
        return "leave" if plan.kind == "leave" else "rest"
    return "later" if now < clock.local_moment(day, plan.starts_at) else "absent"


def waiting_corrections(actor: Actor, stores: QuerySet[Store]) -> list[ClockCorrection]:
    """Return the corrections of these stores that wait for this person's word, the oldest first."""
    from guides.approvals.models import Approval

    mine = Approval.objects.waiting_for(actor, now=clock.now()).filter(kind="attendance.correction")
    rows = ClockCorrection.objects.visible_to(actor).filter(store__in=stores, approval__in=mine)
    return list(rows.with_people().order_by("asked_at", "pk")[:50])


# ---------------------------------------------------------------- numbers of any unit


@dataclass(frozen=True)
class Counts:
    """A unit's day. `due` were to be at work, `there` of them came, `absent` did not and the day is not over."""

    unit: OrgUnit
    store: Store | None
    due: int = 0
    there: int = 0
    late: int = 0
    missing: int = 0
    away: int = 0
    has_place: bool = True

    @property
    def absent(self) -> int:
        return max(0, self.due - self.there - self.missing)

    @property
    def share(self) -> float | None:
        return self.there / self.due if self.due else None


@dataclass(frozen=True)
class Board:
    """One unit and the units below it. `sees_all` False: only late and missing days may be counted."""

    unit: OrgUnit
    rows: list[Counts] = field(default_factory=list)
    sees_all: bool = True

    @property
    def total(self) -> Counts:
        names = ("due", "there", "late", "missing", "away")
        return Counts(self.unit, None, **{name: sum(getattr(row, name) for row in self.rows) for name in names})


def units_of(actor: Actor) -> QuerySet[OrgUnit]:
    """Return the units whose day one may open, by name or in numbers."""
    return OrgUnit.objects.filter(under_grants(actor.reach(*BOARD), path="path", store="store"))


def stores_below(actor: Actor, unit: OrgUnit) -> QuerySet[Store]:
    """Return the stores under a unit of which this person sees anything."""
    seen = Q() if sees_exceptions(actor) else counted_stores(actor)
    return Store.objects.filter(seen, unit__path__startswith=unit.path or "-")


def is_named(actor: Actor, store: Store) -> bool:
    """Tell whether one reads this store's whole day by name."""
    return Store.objects.filter(named_stores(actor), pk=store.pk).exists()


_COUNTS = f"""
WITH chosen AS (
    SELECT store.id, split_part(unit.path, '/', %(depth)s)::bigint AS child FROM guides_store store
    JOIN guides_orgunit unit ON unit.id = store.unit_id
    WHERE store.id = ANY (%(stores)s) AND coalesce(store.closed_on > %(day)s, true)
), due AS ({EXPECTED}), rec AS (
    SELECT r.staff_id, r.store_id, r.state FROM guides_clockrecord r WHERE r.day = %(day)s
), everyday AS (
    SELECT coalesce(rec.store_id, due.store_id) AS store_id, rec.state FROM due FULL JOIN rec ON rec.staff_id = due.staff_id
), away AS (
    SELECT person.store_id FROM guides_staff person
    LEFT JOIN guides_shift shift ON shift.staff_id = person.id AND shift.day = %(day)s
    WHERE person.store_id = ANY (%(stores)s) AND person.state = ANY (%(employed)s)
      AND coalesce(shift.kind, CASE person.state WHEN 'leave' THEN 'leave' ELSE 'work' END) <> 'work'
      AND EXISTS (SELECT 1 FROM guides_roleassignment held WHERE held.staff_id = person.id AND held.role = ANY (%(roles)s)
        AND coalesce(held.starts_on, %(day)s) <= %(day)s AND coalesce(held.ends_on, %(day)s) >= %(day)s)
      AND NOT EXISTS (SELECT 1 FROM rec WHERE rec.staff_id = person.id)
)
SELECT chosen.child, coalesce(sum(d.due), 0), coalesce(sum(d.there), 0), coalesce(sum(d.late), 0), coalesce(sum(d.missing), 0),
    coalesce(sum(a.away), 0), bool_and(EXISTS (SELECT 1 FROM guides_storefence f WHERE f.store_id = chosen.id)
        OR EXISTS (SELECT 1 FROM guides_storewifi w WHERE w.store_id = chosen.id))
FROM chosen
LEFT JOIN (SELECT store_id, count(*) AS due, count(*) FILTER (WHERE state IN ('normal', 'late')) AS there,
    count(*) FILTER (WHERE state = 'late') AS late, count(*) FILTER (WHERE state = 'missing') AS missing
    FROM everyday GROUP BY store_id) d ON d.store_id = chosen.id
LEFT JOIN (SELECT store_id, count(*) AS away FROM away GROUP BY store_id) a ON a.store_id = chosen.id
GROUP BY chosen.child
"""


def board(actor: Actor, unit: OrgUnit, day: date) -> Board:
    """Return a unit's day in numbers, by the units right below it. Four statements, whatever lies below."""
    stores = list(stores_below(actor, unit).values_list("pk", flat=True))
    depth = (unit.path or "").count("/") + (unit.level != OrgUnit.Level.STORE)  # a store stands for itself
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, params(day) | {"stores": stores, "depth": depth})
        found = {child: figures for child, *figures in cursor.fetchall()}
    children = OrgUnit.objects.filter(pk__in=found).select_related("store").order_by("name", "pk")
    sees_all = not sees_exceptions(actor)
    rows = []
    for child in children:
        due, there, late, missing, away, has_place = found[child.pk]
        if not sees_all:
            due = there = away = 0
        store = getattr(child, "store", None)
        rows.append(Counts(child, store, int(due), int(there), int(late), int(missing), int(away), has_place))
    return Board(unit, rows, sees_all)


def odd_days(actor: Actor, store: Store, day: date) -> list[ClockRecord]:
    """Return what of a store's day is out of order, for who reads only that."""
    rows = ClockRecord.objects.visible_to(actor).filter(store=store, day=day).exclude(state=State.NORMAL)
    return list(rows.select_related("staff").order_by("state", "staff_id"))


# ---------------------------------------------------------------- places


@dataclass(frozen=True)
class Place:
    """Where a store's people clock in."""

    store: Store
    fence: StoreFence | None
    wifis: list[StoreWifi]

    @property
    def is_set(self) -> bool:
        return self.fence is not None or bool(self.wifis)


def places_of(stores: QuerySet[Store]) -> list[Place]:
    """Return the places of stores: three statements."""
    found = list(stores.select_related("unit"))
    fences = {row.store_id: row for row in StoreFence.objects.filter(store__in=found).select_related("set_by")}
    wifis: dict[int, list[StoreWifi]] = {}
    for row in StoreWifi.objects.filter(store__in=found).order_by("pk"):
        wifis.setdefault(row.store_id, []).append(row)
    return [Place(store, fences.get(store.pk), wifis.get(store.pk, [])) for store in found]
