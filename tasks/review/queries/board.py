"""A board: figures by guide (a store) or by unit (all above), from daily rows plus a live part.

A store's page counts today and the days that changed within the last minute from the tasks themselves; a unit above it
reads what the job wrote a moment ago (`Board.as_of` says when). Always the same number of queries.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Q

from guides.org.models import OrgUnit, RoleAssignment, Staff, Store
from tasks.followups.labels import LATER_REASONS
from tasks.followups.models import Task
from tasks.followups.wording import TYPE_NAMES
from yejibao.core import clock
from yejibao.core.scope import Actor

from ..counting import ANSWERED, COLUMNS, SUMS, counts, wanted
from ..figures import Figures, rate
from ..models import DayMark, FiguresRun, StoreWeek, TaskDay, UnitDay
from ..periods import TREND, Period
from ..scoped import GUIDE_ROLES, NAME_ROLES, covers, own_kind

NODES = {
    "followup_m30": "30分",
    "followup_d3": "3天",
    "followup_d30": "30天",
    "followup_d60": "60天",
    "followup_d90": "90天",
}
BAR_DAYS = 7  # bars of a single day's board show the week before it
WATCHED = 3


@dataclass
class Row:
    """One line of the heat map: a guide, or a unit below."""

    pk: int
    name: str
    by_type: dict[str, Figures] = field(default_factory=lambda: defaultdict(Figures))
    is_gone: bool = False  # a guide who left

    @property
    def total(self) -> Figures:
        return _sum(self.by_type.values())


@dataclass(frozen=True)
class Watched:
    """A guide's step with the most overdue tasks right now."""

    guide_id: int
    guide_name: str
    task_type: str
    count: int
    oldest_due_at: datetime
    reason: str  # what they say most often when they put one off


@dataclass
class Board:
    """All a page of the board shows about one unit and period."""

    unit: OrgUnit
    period: Period
    as_of: datetime | None  # None: the figures of this unit have never been counted
    rows: list[Row]
    total: Row
    is_store: bool
    sees_guides: bool  # False: figures end at this store
    sees_names: bool
    before: Figures
    trend: dict[str, list[float | None]]
    bars: list[tuple[date, Figures]]
    watched: list[Watched] = field(default_factory=list)
    reasons: list[tuple[str, int]] = field(default_factory=list)
    weak_weeks: list[StoreWeek] = field(default_factory=list)

    @property
    def figures(self) -> Figures:
        return self.total.total

    @property
    def others(self) -> list[tuple[str, str, Figures]]:
        """Kinds of work beside the five steps: (task type, name, figures)."""
        return [
            (key, TYPE_NAMES.get(key, key), found)
            for key, found in sorted(self.total.by_type.items())
            if key not in NODES and not found.is_empty
        ]


def board_of(actor: Actor, unit: OrgUnit, period: Period, *, now: datetime) -> Board:
    """Return the board of a unit."""
    kind = own_kind(actor, unit)
    store = getattr(unit, "store", None) if unit.level == OrgUnit.Level.STORE else None
    board = Board(
        unit=unit, period=period, as_of=now, rows=[], total=Row(unit.pk, unit.name), is_store=store is not None,
        sees_guides=covers(actor, GUIDE_ROLES, unit), sees_names=covers(actor, NAME_ROLES, unit) and not kind,
        before=Figures(), trend={}, bars=[],
    )  # fmt: skip
    by_day = _unit_days(unit, period, kind)
    if store is not None:
        _fill_store(board, store, by_day, kind=kind, now=now)
    else:
        _fill_unit(board, by_day, kind=kind)
    _fill_trend(board, by_day)
    return board


def _sum(parts: Iterable[Figures]) -> Figures:
    total = Figures()
    for one in parts:
        total.add(one)
    return total


def figures_of(values: Iterable[int | None]) -> Figures:
    return Figures(*(int(value or 0) for value in values))


Days = dict[date, dict[str, Figures]]


def _unit_days(unit: OrgUnit, period: Period, kind: str) -> Days:
    """Return the unit's own rows by day and type, back to where the small lines begin."""
    start = min(period.before(TREND - 1).start, period.end - timedelta(days=BAR_DAYS - 1))
    rows = UnitDay.objects.filter(unit=unit, day__gte=start, day__lte=period.end, task_type__startswith=kind)
    by_day: Days = defaultdict(dict)
    for day, task_type, *values in rows.values_list("day", "task_type", *COLUMNS):
        by_day[day][task_type] = figures_of(values)
    return by_day


def _fill_trend(board: Board, by_day: Days) -> None:
    period = board.period
    day_sums = {day: _sum(types.values()) for day, types in by_day.items()}

    def within(some: Period) -> Figures:
        return _sum(found for day, found in day_sums.items() if some.start <= day <= some.end)

    stretches = [within(period.before(step)) for step in range(TREND - 1, 0, -1)] + [board.figures]
    board.before = stretches[-2]
    board.trend = {
        "completion": [one.completion for one in stretches],
        "missed": [float(one.missed_count) if one.due_count else None for one in stretches],
        "reply": [one.reply for one in stretches],
        "booked": [None if one.booked is None else float(one.booked) for one in stretches],
        "sales": [None if one.sales is None else float(one.sales) for one in stretches],
    }
    days = (
        period.days if len(period.days) > 1 else [period.end - timedelta(days=step) for step in range(BAR_DAYS)][::-1]
    )
    board.bars = [(day, day_sums.get(day, Figures())) for day in days]


# ---------------------------------------------------------------- a store


def _fill_store(board: Board, store: Store, by_day: Days, *, kind: str, now: datetime) -> None:
    period, today = board.period, clock.local_day(now)
    marked = DayMark.objects.filter(store=store, day__gte=period.start, day__lte=period.end).values_list(
        "day", flat=True
    )
    live = set(marked.distinct()) | {today}
    found: dict[int, Row] = {}
    types: Days = defaultdict(lambda: defaultdict(Figures))

    def put(guide: int, task_type: str, figures: Figures) -> None:
        found.setdefault(guide, Row(guide, "")).by_type[task_type].add(figures)
        board.total.by_type[task_type].add(figures)

    for guide, task_type, *values in _kept(store, period, live, kind):
        put(guide, task_type, figures_of(values))
    for day, guide, task_type, *values in _counted(
        store, [day for day in live if period.start <= day <= period.end], kind, now
    ):
        put(guide, task_type, figures_of(values))
        types[day][task_type].add(figures_of(values))
    for day in live & set(period.days):
        by_day[day] = dict(types[day])
    if board.sees_guides:
        _name_rows(board, store, found)
    bounds = (clock.local_moment(period.start, datetime.min.time()),
              clock.local_moment(period.end + timedelta(days=1), datetime.min.time()))  # fmt: skip
    if board.sees_guides:
        names = {row.pk: row.name for row in board.rows}
        board.watched = _watched(store, bounds, kind, names, now)
    board.reasons = _reasons(store, bounds, kind)


def _kept(store: Store, period: Period, live: set[date], kind: str) -> list[Any]:
    """Return the sums of the clean past days by guide and type."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT guide_id, task_type, {SUMS} FROM {TaskDay._meta.db_table}
            WHERE store_id = %(store)s AND day >= %(start)s AND day <= %(end)s AND day <> ALL(%(live)s::date[])
              AND task_type LIKE %(kind)s
            GROUP BY 1, 2 ORDER BY 1, 2
            """,
            {"store": store.pk, "start": period.start, "end": period.end, "live": sorted(live), "kind": f"{kind}%"},
        )
        return cursor.fetchall()


def _counted(store: Store, days: list[date], kind: str, now: datetime) -> list[Any]:
    """Count some days of a store from the tasks themselves."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH wanted AS MATERIALIZED ({wanted("%(days)s", "%(stores)s")})
            SELECT day, guide_id, task_type, {", ".join(COLUMNS)} FROM ({counts()}) counted
            WHERE task_type LIKE %(kind)s ORDER BY 1, 2, 3
            """,
            {
                "days": days,
                "stores": [store.pk] * len(days),
                "now": now,
                "answered": list(ANSWERED),
                "kind": f"{kind}%",
            },
        )
        return cursor.fetchall()


def _name_rows(board: Board, store: Store, found: dict[int, Row]) -> None:
    """Give the rows their names, and add colleagues without a task yet."""
    at_work = RoleAssignment.objects.filter(role="guide", unit_id=store.unit_id).values("staff_id")
    people = Staff.objects.filter(
        Q(pk__in=found) | Q(pk__in=at_work, store=store, state__in=Staff.MAY_SIGN_IN)
    ).order_by("pk")
    for pk, name, state in people.values_list("pk", "name", "state"):
        row = found.get(pk) or Row(pk, name)
        row.name, row.is_gone = name, state not in Staff.MAY_SIGN_IN
        board.rows.append(row)


def _watched(
    store: Store, bounds: tuple[datetime, datetime], kind: str, names: dict[int, str], now: datetime
) -> list[Watched]:
    """Return the guides' steps with the most overdue tasks: how late the oldest is, and why they say."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT assignee_id, task_type, count(*), min(due_at),
                mode() WITHIN GROUP (ORDER BY hidden_reason) FILTER (WHERE hidden_reason <> '')
            FROM {Task._meta.db_table}
            WHERE store_id = %(store)s AND due_at >= %(start)s AND due_at < %(end)s AND due_at <= %(now)s
              AND state = 'open' AND held_at IS NULL AND task_type LIKE %(kind)s
            GROUP BY 1, 2 ORDER BY 3 DESC, 4, 1 LIMIT %(limit)s
            """,
            {"store": store.pk, "start": bounds[0], "end": bounds[1], "now": now, "kind": f"{kind}%", "limit": WATCHED},
        )
        return [
            Watched(guide, names[guide], task_type, count, oldest, str(LATER_REASONS.get(reason or "", "")))
            for guide, task_type, count, oldest, reason in cursor.fetchall()
            if guide in names
        ]


def _reasons(store: Store, bounds: tuple[datetime, datetime], kind: str) -> list[tuple[str, int]]:
    """Return why tasks that are not done were put off, the most frequent first."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT hidden_reason, count(*) FROM {Task._meta.db_table}
            WHERE store_id = %(store)s AND due_at >= %(start)s AND due_at < %(end)s AND hidden_reason <> ''
              AND state IN ('open', 'expired') AND task_type LIKE %(kind)s
            GROUP BY 1 ORDER BY 2 DESC, 1
            """,
            {"store": store.pk, "start": bounds[0], "end": bounds[1], "kind": f"{kind}%"},
        )
        return [(str(LATER_REASONS.get(reason, "其他")), count) for reason, count in cursor.fetchall()]


# ---------------------------------------------------------------- a unit above the stores


def _fill_unit(board: Board, by_day: Days, *, kind: str) -> None:
    period = board.period
    for day, types in by_day.items():
        if period.start <= day <= period.end:
            for task_type, figures in types.items():
                board.total.by_type[task_type].add(figures)
    children = OrgUnit.objects.filter(parent=board.unit).select_related("store").order_by("code", "pk")
    rows = {unit.pk: Row(unit.pk, unit.store.short_name if hasattr(unit, "store") else unit.name) for unit in children}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT unit_id, task_type, {SUMS} FROM {UnitDay._meta.db_table}
            WHERE unit_id = ANY(%(units)s) AND day >= %(start)s AND day <= %(end)s AND task_type LIKE %(kind)s
            GROUP BY 1, 2
            """,
            {"units": list(rows), "start": period.start, "end": period.end, "kind": f"{kind}%"},
        )
        for unit, task_type, *values in cursor.fetchall():
            rows[unit].by_type[task_type].add(figures_of(values))
    board.rows = list(rows.values())
    ran_at = FiguresRun.objects.filter(pk=1).values_list("ran_at", flat=True).first()
    board.as_of = ran_at
    weak = StoreWeek.objects.filter(
        store__unit__path__startswith=board.unit.path or "-", week__gte=period.end - timedelta(days=13)
    )
    newest: dict[int, StoreWeek] = {}
    for week in weak.select_related("store").order_by("week", "pk"):
        newest[week.store_id] = week
    last = max((week.week for week in newest.values()), default=None)
    board.weak_weeks = sorted(
        (week for week in newest.values() if week.week == last),
        key=lambda week: rate(week.done_count, week.due_count) or 0,
    )
