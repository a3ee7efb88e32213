"""巡店统计 for a unit and a month: by unit, category, department and item, over months, best and worst stores.

A department of HQ reads the figures of its own items alone; who leads stores reads all. A fixed number of statements, whatever
the unit holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection

from guides.org import matrix
from guides.org.models import OrgUnit, Store
from yejibao.core.errors import NotFound
from yejibao.core.scope import Actor

from ..book import book, departments
from ..reports.layout import category_names, topic_names
from ..scoped import FRANCHISE, READ, own_departments, stores_to_read
from ..scoring import words_of
from .months import TZ, first_of, next_month

TREND_MONTHS = 6
BEST = 10
TOP_ITEMS = 10


@dataclass
class Sums:
    """What is added up; each rate is divided last and never averaged."""

    stores: int = 0  # open in the month
    visited: int = 0
    visits: int = 0
    selves: int = 0
    last_sum: int = 0  # of the last patrol of each store visited, in tenths
    last_count: int = 0
    weight: int = 0
    score: int = 0
    problems: int = 0
    open: int = 0
    due: int = 0
    on_time: int = 0
    coached: int = 0

    @property
    def coverage(self) -> float | None:
        """models.yaml patrol_coverage_rate"""
        return self.visited / self.stores if self.stores else None

    @property
    def tenths(self) -> int | None:
        """models.yaml patrol_score: above a store the mean of the last patrol of each store, 1 decimal half up."""
        return (2 * self.last_sum + self.last_count) // (2 * self.last_count) if self.last_count else None

    @property
    def item_tenths(self) -> int | None:
        """sum(weight x score) / sum(weight) over all that was scored, 1 decimal half up."""
        return (20 * self.score + self.weight) // (2 * self.weight) if self.weight else None

    @property
    def score_words(self) -> str:
        return words_of(self.tenths if self.last_count else self.item_tenths)

    @property
    def on_time_rate(self) -> float | None:
        """models.yaml rectify_on_time_rate"""
        return self.on_time / self.due if self.due else None

    @property
    def resolved_rate(self) -> float | None:
        """整改率: of the problems found in the month, those that are solved by now."""
        return (self.problems - self.open) / self.problems if self.problems else None


@dataclass
class Line:
    """A unit, a category, a department or an item with its figures."""

    key: str
    name: str
    sums: Sums = field(default_factory=Sums)
    unit_id: int | None = None  # one may go on from here
    is_store: bool = False
    store_id: int | None = None


@dataclass(frozen=True)
class Ranked:
    """A store by its last score of the month."""

    store_id: int
    name: str
    tenths: int

    @property
    def words(self) -> str:
        return words_of(self.tenths)


@dataclass(frozen=True)
class Board:
    """All of one page."""

    unit: OrgUnit
    above: list[OrgUnit]
    month: date
    own: list[str]  # departments this reader is limited to, [] for all
    total: Sums
    units: list[Line]
    categories: list[Line]
    by_department: list[Line]
    items: list[Line]
    months: list[date]
    trend: list[Sums]
    best: list[Ranked]
    worst: list[Ranked]
    coaching: list[tuple[str, int, int]]  # topic, people, times


# ---------------------------------------------------------------- what one may see


def limited_to(actor: Actor) -> list[str]:
    """Return the departments whose items alone somebody reads; [] for who reads whole patrols (特许经销部 does, of dealers)."""
    if actor.is_system or actor.reach(*matrix.leaders(READ)):
        return []
    own = own_departments(actor)
    return [] if FRANCHISE in own else own


def open_unit(actor: Actor, pk: int | None) -> OrgUnit:
    """Return a unit whose figures somebody may see, without a number the highest of his. Raises NotFound."""
    stores = Store.objects.filter(stores_to_read(actor))
    if pk is None:
        paths = _tops(actor) or [path or "" for path in stores.values_list("unit__path", flat=True)]
        if not paths or not stores.exists():
            raise NotFound()
        unit = OrgUnit.objects.filter(path=_shared(min(paths), max(paths))).first()
    else:
        unit = OrgUnit.objects.filter(pk=pk).first()
        if unit is None or not stores.filter(unit__path__startswith=unit.path or "-").exists():
            raise NotFound()
        top = open_unit(actor, None)
        if not (unit.path or "").startswith(top.path or "-"):
            raise NotFound()
    if unit is None:
        raise NotFound()
    return unit


def _tops(actor: Actor) -> list[str]:
    """Return the paths of the units somebody reads from; [] for who has single stores."""
    grants = actor.reach(*matrix.leaders(READ))
    if actor.is_system or own_departments(actor) or any(one.reach == "all" for one in grants):
        return [path or "" for path in OrgUnit.objects.filter(level=OrgUnit.Level.HQ).values_list("path", flat=True)]
    return [] if any(one.store_ids for one in grants) else [one.path for one in grants if one.path]


def _shared(one: str, other: str) -> str:
    """Return the path of the nearest unit above two; paths in order, so above all between them."""
    steps = []
    for left, right in zip(one.rstrip("/").split("/"), other.rstrip("/").split("/"), strict=False):
        if left != right:
            break
        steps.append(left)
    return "/".join(steps) + "/" if steps else ""


def _stores_sql(actor: Actor, unit: OrgUnit) -> tuple[str, tuple[Any, ...]]:
    """Return the stores of a unit that are his to read, as a query of ids with its parameters."""
    seen = Store.objects.filter(stores_to_read(actor), unit__path__startswith=unit.path or "-")
    try:
        sql, params = seen.order_by().values("pk").query.sql_with_params()
    except EmptyResultSet:
        raise NotFound() from None
    return str(sql), tuple(params)


# ---------------------------------------------------------------- reading


def read_board(actor: Actor, unit: OrgUnit, month: date) -> Board:
    """Return the figures of a unit and month. Seven statements."""
    own = limited_to(actor)
    sql, params = _stores_sql(actor, unit)
    with connection.cursor() as cursor:
        units = _units(cursor, unit, month, own, sql, params)
        items = _items(cursor, month, own, sql, params)
        months = _months_before(month)
        trend = _trend(cursor, months, own, sql, params)
        best, worst = _ranked(cursor, month, sql, params) if not own else ([], [])
        coaching = _coaching(cursor, month, own, sql, params)
    total = Sums()
    for line in units:
        _add(total, line.sums)
    categories, by_department = _grouped(items)
    steps = [int(part) for part in (unit.path or "").rstrip("/").split("/")]
    floor = open_unit(actor, None)
    above = (
        OrgUnit.objects.filter(pk__in=steps, path__startswith=floor.path or "-").exclude(pk=unit.pk).order_by("path")
    )
    named = {row["key"]: row["name"] for row in book()["items"]}
    worst_items = sorted((one for one in items if one.sums.problems), key=lambda one: (-one.sums.problems, one.key))
    for one in items:
        one.name = named.get(one.key, one.key)
    return Board(
        unit=unit, above=list(above), month=month, own=own, total=total, units=units, categories=categories,
        by_department=by_department, items=worst_items[:TOP_ITEMS], months=months, trend=trend, best=best, worst=worst,
        coaching=coaching,
    )  # fmt: skip


def _add(total: Sums, more: Sums) -> None:
    for name in Sums.__dataclass_fields__:
        setattr(total, name, getattr(total, name) + getattr(more, name))


def _months_before(month: date) -> list[date]:
    found = [month]
    while len(found) < TREND_MONTHS:
        found.insert(0, first_of(found[0] - timedelta(days=1)))
    return found


# Figures of a store's month. For a department its items alone: no visit counts of its own there, so visited is "scored".
_FIGURES = """
    count(*) AS stores, count(*) FILTER (WHERE coalesce(m.visit_count, 0) > 0 AND (NOT %s::bool OR i.weight > 0)) AS visited,
    coalesce(sum(m.visit_count), 0) AS visits, coalesce(sum(m.self_count), 0) AS selves,
    coalesce(sum(m.last_tenths) FILTER (WHERE NOT %s::bool), 0) AS last_sum, count(m.last_tenths) FILTER (WHERE NOT %s::bool) AS last_count,
    coalesce(sum(i.weight), 0) AS weight, coalesce(sum(i.score), 0) AS score, coalesce(sum(i.problems), 0) AS problems,
    coalesce(sum(i.open), 0) AS open, coalesce(sum(i.due), 0) AS due, coalesce(sum(i.on_time), 0) AS on_time,
    coalesce(sum(m.coached_count), 0) AS coached
"""
_JOINS = """
LEFT JOIN guides_patrolmonth m ON m.store_id = st.id AND m.month = wanted.month
LEFT JOIN LATERAL (
    SELECT sum(weight_sum) AS weight, sum(score_sum) AS score, sum(problem_count) AS problems, sum(open_count) AS open,
        sum(due_count) AS due, sum(on_time_count) AS on_time
    FROM guides_patrolitemmonth i WHERE i.store_id = st.id AND i.month = wanted.month AND (NOT %s::bool OR i.department = ANY(%s))
) i ON true
"""
_OPEN = (
    "(st.opened_on IS NULL OR st.opened_on < wanted.ends) AND (st.closed_on IS NULL OR st.closed_on >= wanted.month)"
)


def _sums(row: tuple[Any, ...]) -> Sums:
    return Sums(*(int(value) for value in row))


def _units(cursor: Any, unit: OrgUnit, month: date, own: list[str], sql: str, params: tuple[Any, ...]) -> list[Line]:
    """Return the units right below, the weakest coverage first; below an area its stores."""
    is_own = bool(own)
    cursor.execute(
        f"""
        SELECT child.id, child.name, child.level, min(st.short_name), min(st.id), {_FIGURES}
        FROM (SELECT %s::date AS month, %s::date AS ends) wanted
        CROSS JOIN guides_store st JOIN guides_orgunit u ON u.id = st.unit_id
        JOIN guides_orgunit child ON child.id = coalesce(
            nullif(split_part(substr(u.path, length(%s::text) + 1), '/', 1), ''), u.id::text)::bigint
        {_JOINS}
        WHERE st.id IN ({sql}) AND {_OPEN}
        GROUP BY child.id, child.name, child.level ORDER BY child.id
        """,
        [is_own, is_own, is_own, month, next_month(month), unit.path, is_own, own, *params],
    )
    lines = []
    for pk, name, level, store_name, store_id, *figures in cursor.fetchall():
        is_store = level == OrgUnit.Level.STORE
        lines.append(Line(str(pk), store_name if is_store else name, _sums(tuple(figures)), pk, is_store, store_id))
    return lines


def _trend(cursor: Any, months: list[date], own: list[str], sql: str, params: tuple[Any, ...]) -> list[Sums]:
    is_own = bool(own)
    cursor.execute(
        f"""
        SELECT wanted.month, {_FIGURES}
        FROM unnest(%s::date[], %s::date[]) AS wanted(month, ends)
        CROSS JOIN guides_store st {_JOINS}
        WHERE st.id IN ({sql}) AND {_OPEN}
        GROUP BY wanted.month
        """,
        [is_own, is_own, is_own, months, [next_month(one) for one in months], is_own, own, *params],
    )
    found = {month: _sums(tuple(figures)) for month, *figures in cursor.fetchall()}
    return [found.get(month, Sums()) for month in months]


def _items(cursor: Any, month: date, own: list[str], sql: str, params: tuple[Any, ...]) -> list[Line]:
    cursor.execute(
        f"""
        SELECT i.item_key, min(i.category), min(i.department), sum(i.weight_sum), sum(i.score_sum), sum(i.problem_count),
            sum(i.open_count), sum(i.due_count), sum(i.on_time_count)
        FROM guides_patrolitemmonth i WHERE i.month = %s AND (NOT %s::bool OR i.department = ANY(%s)) AND i.store_id IN ({sql})
        GROUP BY i.item_key
        """,
        [month, bool(own), own, *params],
    )
    lines = []
    for key, category, department, weight, score, problems, open_, due, on_time in cursor.fetchall():
        sums = Sums(
            weight=int(weight),
            score=int(score),
            problems=int(problems),
            open=int(open_),
            due=int(due),
            on_time=int(on_time),
        )
        lines.append(Line(key, f"{category}|{department}", sums))
    return lines


def _grouped(items: list[Line]) -> tuple[list[Line], list[Line]]:
    """Return the same by category and by department, in the order of the file."""
    categories = {key: Line(key, name) for key, name in category_names().items()}
    by_department = {key: Line(key, str(facts["name"])) for key, facts in departments().items()}
    for one in items:
        category, _, department = one.name.partition("|")
        if category in categories:
            _add(categories[category].sums, one.sums)
        if department in by_department:
            _add(by_department[department].sums, one.sums)
    return (
        [one for one in categories.values() if one.sums.weight or one.sums.due],
        [one for one in by_department.values() if one.sums.weight or one.sums.due],
    )


def _ranked(cursor: Any, month: date, sql: str, params: tuple[Any, ...]) -> tuple[list[Ranked], list[Ranked]]:
    """Return the best and the worst stores by the last score of the month."""
    found = []
    for direction in ("DESC", "ASC"):
        cursor.execute(
            f"""SELECT m.store_id, st.short_name, m.last_tenths FROM guides_patrolmonth m
            JOIN guides_store st ON st.id = m.store_id
            WHERE m.month = %s AND m.last_tenths IS NOT NULL AND m.store_id IN ({sql})
            ORDER BY m.last_tenths {direction}, st.code LIMIT {BEST}""",
            [month, *params],
        )
        found.append([Ranked(*row) for row in cursor.fetchall()])
    return found[0], found[1]


def _coaching(
    cursor: Any, month: date, own: list[str], sql: str, params: tuple[Any, ...]
) -> list[tuple[str, int, int]]:
    """Return who was taught what: topic, people, times; most people first."""
    cursor.execute(
        f"""
        SELECT c.topic, count(DISTINCT c.guide_id), count(*)
        FROM guides_visit v JOIN guides_coaching c ON c.visit_id = v.id AND c.removed_at IS NULL
        LEFT JOIN guides_checklistitem i ON i.id = c.item_id
        WHERE v.state = 'submitted' AND v.kind <> 'self' AND v.store_id IN ({sql})
          AND v.submitted_at >= %s::timestamp AT TIME ZONE {TZ} AND v.submitted_at < %s::timestamp AT TIME ZONE {TZ}
          AND (NOT %s::bool OR i.department = ANY(%s))
        GROUP BY c.topic ORDER BY 2 DESC, 1
        """,
        [*params, month, next_month(month), bool(own), own],
    )
    names = topic_names()
    return [(names.get(topic, topic), people, times) for topic, people, times in cursor.fetchall()]
