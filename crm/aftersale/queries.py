"""Reads: lists by what is next, one ticket with all that happened to it, the figures of the desk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Avg, Count, F, Prefetch, Q

from crm.members.models import Member
from crm.orders.models import Order, OrderLine
from yejibao.core import files
from yejibao.core.files import StoredFile
from yejibao.core.scope import Actor

from .lists import with_people
from .models import Ticket, TicketStep
from .remedies import Coverage, compensation_of, coverage_of, exchange_offer, line_now, remedies

__all__ = [
    "ROOM", "Coverage", "Line", "compensation_of", "coverage_of", "exchange_offer", "figures", "line_now", "line_of", "open_of",
    "orders_of", "remedies", "steps_of", "waiting_count",
]  # fmt: skip
ROOM = "aftersale"
ORDERS_SHOWN = 12
SINCE = timedelta(days=30)


@dataclass(frozen=True)
class Line:
    """One step as it is shown, with its photos."""

    row: TicketStep
    photos: Sequence[StoredFile]


def steps_of(ticket: Ticket, *, for_member: bool = False) -> list[Line]:
    """Return what happened to a ticket, the oldest first. Two statements."""
    rows = ticket.steps.select_related("by").order_by("pk")
    found = list(rows.filter(is_shown=True) if for_member else rows)
    photos = files.of(ROOM, [row.pk for row in found])
    return [Line(row, photos.get(row.pk, [])) for row in found]


def waiting_count(actor: Actor) -> int:
    """Return how many tickets wait for a word of this person."""
    return Ticket.objects.answered_by(actor).filter(first_reply_at=None, closed_at=None).count()


def open_of(member: Member, actor: Actor) -> list[Ticket]:
    """Return a member's tickets that are not over, the oldest first. One statement."""
    return list(with_people(Ticket.objects.visible_to(actor).filter(member=member, closed_at=None)).order_by("pk")[:9])


def orders_of(member: Member) -> list[Order]:
    """Return what a request can be about: his newest orders that are not all back, with the lines he has now."""
    orders = Order.objects.filter(member=member, status=Order.Status.PAID).exclude(kind__in=("top_up", "gift_card"))
    lines = Prefetch("lines", OrderLine.objects.filter(replaced_by=None).order_by("line_no"))
    return list(orders.select_related("store").prefetch_related(lines).order_by("-paid_at", "-pk")[:ORDERS_SHOWN])


def line_of(member: Member, number: int | None) -> OrderLine | None:
    """Return a line of an order of his, None for anybody else's."""
    if number is None:
        return None
    return OrderLine.objects.select_related("order__store").filter(pk=number, order__member=member).first()


def figures(actor: Actor, *, now: datetime) -> dict[str, Any]:
    """Return 30 days of the desk: how many, answered in time, closed in time, stars, opened again. One statement."""
    asked = Ticket.objects.visible_to(actor).filter(opened_at__gte=now - SINCE)
    return asked.aggregate(
        asked=Count("pk"),
        answered=Count("pk", filter=Q(first_reply_at__isnull=False)),
        in_time=Count("pk", filter=Q(first_reply_at__lte=F("first_due_at"))),
        closed=Count("pk", filter=Q(closed_at__isnull=False)),
        closed_in_time=Count("pk", filter=Q(closed_at__lte=F("closing_due_at"))),
        up=Count("pk", filter=~Q(stage="guide")),
        reopened=Count("pk", filter=Q(reopened_at__isnull=False)),
        rated=Count("stars"),
        stars=Avg("stars"),
    )
