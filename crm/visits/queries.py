"""Reads: who comes today and later, one visit with its story, and the chain from asked to bought by whom, where and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, F, Func, IntegerField, Q, QuerySet, Sum, Value
from django.db.models.functions import Cast, TruncWeek

from crm.members.models import Member
from crm.members.queries import stores_near
from guides.org.models import OrgUnit, Staff, Store
from yejibao.core import clock, paging
from yejibao.core.scope import Actor

from .models import Visit, VisitPiece, VisitStep

PAGE, MOST_ROWS = 20, 200
TABS = (("today", "今天"), ("asked", "等确认"), ("coming", "之后"), ("past", "过去"))
PERIODS = (("week", "本周"), ("month", "本月"), ("days30", "近 30 天"), ("days90", "近 90 天"))
STATES = ("invited", "accepted", "arrived", "bought")


# ---------------------------------------------------------------- lists


def own_page(actor: Actor, *, tab: str, now: datetime, before: str = "") -> tuple[list[Visit], str]:
    """Return who comes: today's by the hour, later ones, and what is over with the newest first. One statement."""
    rows, today = Visit.objects.visible_to(actor).with_people(), clock.local_day(now)
    match tab:
        case "asked":
            return paging.page(
                rows.filter(state=Visit.State.ASKED), "starts_at", before=before, size=PAGE, is_rising=True
            )
        case "coming":
            rows = rows.filter(day__gt=today).open().exclude(state=Visit.State.PLANNED)
            return paging.page(rows, "starts_at", before=before, size=PAGE, is_rising=True)
        case "past":
            rows = rows.filter(Q(day__lt=today) | ~Q(state__in=(*Visit.OPEN, *Visit.CAME)))
            return paging.page(rows.exclude(state=Visit.State.PLANNED), "starts_at", before=before, size=PAGE)
    rows = rows.filter(day=today, state__in=(*Visit.OPEN, *Visit.CAME)).exclude(state=Visit.State.PLANNED)
    return paging.page(rows, "starts_at", before=before, size=PAGE, is_rising=True)


def waiting_count(actor: Actor, *, now: datetime) -> int:
    """Return how many of his own come today and are not there yet, or want to come and wait for his word."""
    comes = Q(day=clock.local_day(now), state=Visit.State.ACCEPTED)
    return Visit.objects.filter(comes | Q(state=Visit.State.ASKED), guide_id=actor.staff_id or 0).count()


def asked_count(actor: Actor) -> int:
    """Return how many members wait for a word of this person or his people."""
    return Visit.objects.visible_to(actor).filter(state=Visit.State.ASKED).count()


def stores_to_choose(member: Member, *, today: date) -> list[Store]:
    """Return the stores a member may ask to come to. Two statements."""
    return stores_near(member, today=today)


@dataclass(frozen=True)
class Story:
    """One visit with what happened to it and what is set aside."""

    visit: Visit
    steps: Sequence[VisitStep]
    pieces: Sequence[VisitPiece]


def story_of(visit: Visit) -> Story:
    """Return what a page of one visit shows. Two statements."""
    pieces = visit.pieces.select_related("sku__style", "reservation").order_by("pk")
    return Story(visit, list(visit.steps.select_related("by").order_by("pk")), list(pieces))


# ---------------------------------------------------------------- the chain


@dataclass(frozen=True)
class Asked:
    """What figures are narrowed to. Days are those on which people should come, `[start, end)`."""

    start: date
    end: date
    unit: OrgUnit | None = None
    guide: Staff | None = None
    kind: str = ""
    group_id: int | None = None


def period_of(key: str, *, now: datetime) -> tuple[date, date]:
    """Return the days of a period, to the end of the week or month it names: who is asked for Saturday counts on Monday."""
    today = clock.local_day(now)
    match key:
        case "month":
            first = today.replace(day=1)
            return first, (first + timedelta(days=32)).replace(day=1)
        case "days30":
            return today - timedelta(days=29), today + timedelta(days=1)
        case "days90":
            return today - timedelta(days=89), today + timedelta(days=1)
    monday = today - timedelta(days=today.weekday())
    return monday, monday + timedelta(days=7)


@dataclass(frozen=True)
class Chain:
    """Numbers of one row of the analysis. Rates are made of sums, never averaged."""

    name: str = ""
    url: str = ""
    planned: int = 0
    invited: int = 0
    accepted: int = 0
    arrived: int = 0
    bought: int = 0
    moved: int = 0
    declined: int = 0
    no_show: int = 0
    no_answer: int = 0
    shown: int = 0  # of those who accepted, and whom the store did not cancel
    expected: int = 0
    sales_fen: int = 0

    @property
    def show_rate(self) -> float | None:
        """Return visit_show_rate of models.yaml: came on the day or one beside it, of those who had accepted."""
        return self.shown / self.expected if self.expected else None

    @property
    def bars(self) -> list[tuple[str, int, int, float | None]]:
        """Return (name, count, width of the bar in percent, share of the step before) of the four steps."""
        names, counts = ("已邀约", "已应约", "已到店", "已成交"), [getattr(self, one) for one in STATES]
        most = max(counts) or 1
        before: list[int | None] = [None, *counts[:-1]]
        return [
            (name, count, max(2, round(100 * count / most)) if count else 0, count / last if last else None)
            for name, count, last in zip(names, counts, before, strict=True)
        ]


_COUNTS: dict[str, Any] = {
    "planned": Count("pk", filter=Q(state="planned")),
    "invited": Count("pk", filter=Q(invited_at__isnull=False)),
    "accepted": Count("pk", filter=Q(accepted_at__isnull=False)),
    "arrived": Count("pk", filter=Q(arrived_at__isnull=False)),
    "bought": Count("pk", filter=Q(state="bought")),
    "moved": Count("pk", filter=Q(moved_count__gt=0)),
    "declined": Count("pk", filter=Q(state="declined")),
    "no_show": Count("pk", filter=Q(state="no_show")),
    "no_answer": Count("pk", filter=Q(state="no_answer")),
    "shown": Count("pk", filter=Q(accepted_at__isnull=False, arrived_at__isnull=False)),
    "expected": Count("pk", filter=Q(accepted_at__isnull=False) & ~Q(state="cancelled")),
    "sales_fen": Sum("order__net_amount_fen", default=0),
}


def narrowed(actor: Actor, asked: Asked) -> QuerySet[Visit]:
    """Return the visits that count for an actor in what is asked for."""
    rows = Visit.objects.counted_for(actor).filter(day__gte=asked.start, day__lt=asked.end)
    if asked.unit:
        rows = rows.filter(store__unit__path__startswith=asked.unit.path or "-")
    if asked.guide:
        rows = rows.filter(guide=asked.guide)
    if asked.kind:
        rows = rows.filter(kind=asked.kind)
    return rows.filter(group_id=asked.group_id) if asked.group_id else rows


def chain_of(actor: Actor, asked: Asked) -> Chain:
    """Return the whole of it in one row. One statement."""
    return Chain(**narrowed(actor, asked).aggregate(**_COUNTS))


def _chains(rows: QuerySet[Any], key: str, *order: str) -> dict[Any, Chain]:
    """Return the numbers of each group of rows, in order. One statement."""
    counted = rows.values(key).annotate(**_COUNTS).order_by(*(order or ("-invited", key)))
    return {row[key]: Chain(**{name: row[name] for name in _COUNTS}) for row in counted[:MOST_ROWS]}


def by_unit(actor: Actor, asked: Asked, *, below: OrgUnit) -> list[tuple[OrgUnit, Chain]]:
    """Return a row for each unit right below one, the most invited first. Two statements."""
    depth = len([one for one in (below.path or "").split("/") if one])
    part = Func(F("store__unit__path"), Value("/"), Value(depth + 1), function="split_part")
    rows = narrowed(actor, replace(asked, unit=below)).annotate(part=Cast(part, IntegerField()))
    found = _chains(rows, "part")
    units = OrgUnit.objects.in_bulk(list(found))
    return [(units[pk], chain) for pk, chain in found.items() if pk in units]


def by_guide(actor: Actor, asked: Asked) -> list[tuple[Staff | None, Chain]]:
    """Return a row for each guide, the most invited first. Two statements."""
    found = _chains(narrowed(actor, asked), "guide_id")
    people = Staff.objects.in_bulk([pk for pk in found if pk])
    return [(people.get(pk), chain) for pk, chain in found.items()]


def by_kind(actor: Actor, asked: Asked) -> list[tuple[str, Chain]]:
    """Return a row for each kind of invitation. One statement."""
    return list(_chains(narrowed(actor, asked), "kind").items())


def by_week(actor: Actor, asked: Asked) -> list[tuple[date, Chain]]:
    """Return a row for each week, the oldest first. One statement."""
    return list(_chains(narrowed(actor, asked).annotate(week=TruncWeek("day")), "week", "week").items())


def behind(actor: Actor, asked: Asked, *, state: str, before: str = "") -> tuple[list[Visit], str]:
    """Return the visits behind a number, one page. For whoever may read them: numbers reach further than names."""
    seen = Visit.objects.visible_to(actor).values("pk")
    rows = narrowed(actor, asked).filter(pk__in=seen).select_related("member", "store", "guide")
    conditions = {
        "invited": Q(invited_at__isnull=False), "accepted": Q(accepted_at__isnull=False),
        "arrived": Q(arrived_at__isnull=False), "moved": Q(moved_count__gt=0),
    }  # fmt: skip
    if state:
        rows = rows.filter(conditions.get(state, Q(state=state)))
    return paging.page(rows, "starts_at", before=before, size=PAGE)


def store_of(unit: OrgUnit) -> Store | None:
    """Return the store a unit is, None for one with stores below it."""
    return Store.objects.filter(unit=unit).first()
