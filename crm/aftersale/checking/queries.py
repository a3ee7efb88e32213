"""Reads: what waits to be checked, what was found, the figures of stores and of people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import Avg, Count, F, Q, QuerySet

from guides.org.models import Staff, Store
from yejibao.core import clock
from yejibao.core.paging import Pageful, pageful
from yejibao.core.scope import Actor

from ..models import Ticket
from .models import ServiceCheck
from .rules import Item, book

TABS = (("waiting", "待检"), ("done", "已检"))
# kpis: aftersale_first_response_rate (models.yaml): tickets with first reply inside SLA / tickets created.
IN_TIME = Q(first_reply_at__lte=F("first_due_at"))
TARGET = 0.95  # models.yaml
WORST = 100  # rows of a table of figures, the lowest rate first
_WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Mark:
    """One line of the checklist as it is shown: what was marked, and what the ticket itself says."""

    item: Item
    value: str
    fact: str


@dataclass(frozen=True)
class Figures:
    """One month of a store or a person."""

    who: Store | Staff
    asked: int
    in_time: int
    reopened: int
    stars: float | None
    checked: int = 0
    score: float | None = None

    @property
    def rate(self) -> float | None:
        return self.in_time / self.asked if self.asked else None


def checks_page(actor: Actor, *, tab: str, before: str = "", staff_id: int | None = None) -> Pageful[ServiceCheck]:
    """Return what waits, the oldest first, or what was checked, the newest first. One statement."""
    rows = ServiceCheck.objects.visible_to(actor).select_related("ticket__member", "store", "answered_by", "checked_by")
    rows = rows.filter(answered_by_id=staff_id) if staff_id else rows
    if tab == "done":
        return pageful(rows.filter(checked_at__isnull=False), "checked_at", before)
    return pageful(rows.filter(checked_at=None), "drawn_at", before, is_rising=True)


def waiting_count(actor: Actor) -> int:
    """Return how many wait for this person to check: not those he answered himself."""
    return ServiceCheck.objects.visible_to(actor).filter(checked_at=None).exclude(answered_by_id=actor.staff_id).count()


def check_of(ticket: Ticket, actor: Actor) -> ServiceCheck | None:
    """Return what was found of a ticket, for those who may read it; None while it waits. One statement."""
    rows = ServiceCheck.objects.visible_to(actor).filter(ticket=ticket, checked_at__isnull=False)
    return rows.select_related("checked_by").first()


def marks_of(check: ServiceCheck) -> list[Mark]:
    """Return the checklist with what was marked, and what the ticket's own clocks say to a line."""
    facts = _facts(check.ticket)
    return [Mark(item, check.marks.get(item.key, ""), facts.get(item.fact, "")) for item in book().checklist]


def _facts(ticket: Ticket) -> dict[str, str]:
    first, due = ticket.first_reply_at, ticket.first_due_at
    facts = {}
    if first and due:
        early = round((due - first).total_seconds() / 60)
        facts["first_word"] = f"提前 {early} 分钟" if early >= 0 else f"晚了 {-early} 分钟"
    if ticket.closed_at and ticket.closing_due_at:
        facts["in_time"] = "在答应的日子里办完" if ticket.closed_at <= ticket.closing_due_at else "过了答应的日子"
    return facts


def month_of(text: str, *, now: datetime) -> date:
    """Return the first day of a month written 2026-11; this month for anything else."""
    try:
        return datetime.strptime(text, "%Y-%m").date()  # noqa: DTZ007  a day of the calendar
    except ValueError:
        return clock.local_day(now).replace(day=1)


def first_response(rows: QuerySet[Ticket]) -> dict[str, Any]:
    """Return of these tickets how many were asked and how many got their first word in time. One statement."""
    return rows.aggregate(asked=Count("pk"), in_time=Count("pk", filter=IN_TIME))


def figures_by(actor: Actor, by: str, *, month: date, store_id: int | None = None) -> list[Figures]:
    """Return a month's figures of stores, or of the people who had the tickets; the lowest rate first. Three statements."""
    start = clock.local_moment(month, time())
    end = clock.local_moment((month.replace(day=28) + _WEEK).replace(day=1), time())
    asked = Ticket.objects.visible_to(actor).filter(opened_at__gte=start, opened_at__lt=end)
    checks = ServiceCheck.objects.visible_to(actor).filter(checked_at__gte=start, checked_at__lt=end)
    if store_id is not None:
        asked, checks = asked.filter(store_id=store_id), checks.filter(store_id=store_id)
    column, of_check = ("store_id", "store_id") if by == "store" else ("guide_id", "answered_by_id")
    rows = list(
        asked.exclude(**{column: None}).order_by().values(column)
        .annotate(
            asked=Count("pk"), in_time=Count("pk", filter=IN_TIME), reopened=Count("pk", filter=Q(reopened_at__isnull=False)),
            stars=Avg("stars"),
        )
        .order_by(F("in_time") * 100 / F("asked"), column)[:WORST]
    )  # fmt: skip
    ids = [row[column] for row in rows]
    scored = {
        row[of_check]: row
        for row in checks.filter(**{f"{of_check}__in": ids}).order_by().values(of_check)
        .annotate(checked=Count("pk"), mean=Avg("score"))
    }  # fmt: skip
    people: dict[int, Any] = (Store if by == "store" else Staff).objects.in_bulk(ids)
    return [
        Figures(
            people[row[column]], row["asked"], row["in_time"], row["reopened"], row["stars"],
            scored.get(row[column], {}).get("checked", 0), scored.get(row[column], {}).get("mean"),
        )
        for row in rows
    ]  # fmt: skip


def whole_of(rows: list[Figures]) -> dict[str, Any]:
    """Return the sums of what a table shows."""
    asked, in_time = sum(row.asked for row in rows), sum(row.in_time for row in rows)
    return {
        "asked": asked,
        "in_time": in_time,
        "rate": in_time / asked if asked else None,
        "checked": sum(row.checked for row in rows),
    }
