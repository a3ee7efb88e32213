"""Lists of tickets, each read in one statement: a guide's and his manager's, the queue of the desk, what nobody comes for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce

from yejibao.core.paging import Pageful, pageful
from yejibao.core.scope import Actor

from .models import Ticket
from .remedies import UNCLAIMED_AFTER
from .rules import LOW_STARS, rules

TABS = (("waiting", "要我处理"), ("open", "办理中"), ("over", "已结束"))
UNCLAIMED = ("unclaimed", "90 天没取")  # the store manager's
DESK_TABS = (
    ("waiting", "转到总部"), ("mine", "我接的"), ("late", "超时"), ("open", "门店在办"), ("low", "低分"), ("over", "已结束"),
)  # fmt: skip
MONEY_TABS = (("money", "储值问题"), ("refunding", "退款中"), ("over", "已结束"))  # finance's
NUMBER = re.compile(r"(?:AS\d{6}-)?(\d{1,17})")


@dataclass(frozen=True)
class Wanted:
    """How the queue is narrowed: any of these, each empty for all."""

    tab: str
    kind: str = ""
    priority: str = ""
    branch: str = ""  # the path of its unit
    words: str = ""  # a ticket's number, or how the member is called

    def narrow(self, rows: QuerySet[Ticket]) -> QuerySet[Ticket]:
        if self.kind in rules().names:
            rows = rows.filter(kind=self.kind)
        if self.priority in ("1", "2", "3", "4"):
            rows = rows.filter(priority=int(self.priority))
        if self.branch:
            rows = rows.filter(store__unit__path__startswith=self.branch)
        if not self.words:
            return rows
        number = NUMBER.fullmatch(self.words)
        return rows.filter(pk=int(number[1])) if number else rows.filter(member__salutation=self.words)


def with_people(rows: QuerySet[Ticket]) -> QuerySet[Ticket]:
    return rows.select_related("member", "store", "guide", "covers_for", "served_by", "line", "order")


def own_page(actor: Actor, *, tab: str, now: datetime, before: str = "") -> Pageful[Ticket]:
    """Return the tickets a person of a store answers: what is late first; or what is being done, or over, or left hanging."""
    rows = with_people(Ticket.objects.visible_to(actor))
    match tab:
        case "open":
            return pageful(rows.filter(closed_at=None), "opened_at", before)
        case "over":
            return pageful(rows.filter(closed_at__isnull=False), "closed_at", before)
        case "unclaimed":
            return pageful(_hanging(rows.select_related("slip"), now), "slip__ready_at", before, is_rising=True)
    mine = rows.filter(clock_at__isnull=False).filter(pk__in=Ticket.objects.answered_by(actor).values("pk"))
    return pageful(mine, "clock_at", before, is_rising=True)


def desk_page(actor: Actor, wanted: Wanted, *, now: datetime, before: str = "") -> Pageful[Ticket]:
    """Return the queue of the service desk, the nearest clock first."""
    rows = wanted.narrow(with_people(Ticket.objects.visible_to(actor)))
    match wanted.tab:
        case "mine":
            return pageful(
                _by_clock(rows.filter(served_by_id=actor.staff_id, closed_at=None)), "turn_at", before, is_rising=True
            )
        case "late":
            late = Q(clock_at__lt=now) | Q(closing_due_at__lt=now, clock_at=None)
            return pageful(_by_clock(rows.filter(late, closed_at=None)), "turn_at", before, is_rising=True)
        case "open":
            below = rows.filter(closed_at=None).exclude(stage="service")
            return pageful(_by_clock(below), "turn_at", before, is_rising=True)
        case "low":
            return pageful(rows.filter(stars__lte=LOW_STARS, rated_at__isnull=False), "rated_at", before)
        case "money":
            return pageful(
                _by_clock(rows.filter(kind="stored_value", closed_at=None)), "turn_at", before, is_rising=True
            )
        case "refunding":
            return pageful(rows.filter(state="refunding"), "opened_at", before, is_rising=True)
        case "over":
            return pageful(rows.filter(closed_at__isnull=False), "closed_at", before)
    return pageful(_by_clock(rows.filter(stage="service", closed_at=None)), "turn_at", before, is_rising=True)


def _by_clock(rows: QuerySet[Ticket]) -> QuerySet[Ticket]:
    """Order what is not over by when the next is called; where nobody is any more, by when it should have been done."""
    return rows.annotate(turn_at=Coalesce("clock_at", "closing_due_at", "opened_at"))


def _hanging(rows: QuerySet[Ticket], now: datetime) -> QuerySet[Ticket]:
    """Narrow to what has been ready for 90 days and nobody came for."""
    return rows.filter(state="ready", slip__collected_at=None, slip__ready_at__lte=now - UNCLAIMED_AFTER)
