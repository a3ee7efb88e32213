"""What may be done for a piece, and what it costs him: return, exchange and repair by the days, care and alteration by the rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import QuerySet

from crm.benefits.queries import free_care_of
from crm.catalogue.models import Sku, StyleColor
from crm.members.models import Member
from crm.orders.checkout import services as checkout
from crm.orders.checkout.bars import bar
from crm.orders.checkout.exchange_queries import ExchangeQuote
from crm.orders.models import Order, OrderLine
from yejibao.core.clock import local_day

from .models import CareSlip, Ticket
from .prices import price_of_works
from .rules import (
    LEAST_WORTH_PERCENT,
    WORTH_YEARS,
    included_care,
    is_free_alteration,
    may_come_back,
    quality_remedies,
    rules,
)

MENDED = (Ticket.Kind.REPAIR, Ticket.Kind.ALTERATION, Ticket.Kind.CARE)
UNCLAIMED_AFTER = timedelta(days=90)
GONE = ("rejected", "cancelled")
Kind = CareSlip.Coverage


def line_now(line: OrderLine) -> OrderLine:
    """Return the line that stands for a piece today: what was taken for it, where it was exchanged."""
    while line.replaced_by_id is not None:
        line = OrderLine.objects.get(pk=line.replaced_by_id)
    return line


def remedies(ticket: Ticket) -> tuple[str, ...]:
    """Return what may be done for a ticket's piece: "return", "exchange", "repair" (aftersale.yaml return_rules, exchange_rules).

    A fault within 30 days: as he chooses; within 90: repaired or exchanged. The day that counts is the one he asked on: what
    he asked for in time he does not lose to our answering the next morning.
    """
    if not ticket.is_open or ticket.state == "refunding" or ticket.line is None or ticket.refund_id is not None:
        return ("repair",) if ticket.is_open and ticket.kind in MENDED else ()
    order, asked = ticket.order or ticket.line.order, ticket.asked
    match ticket.kind:
        case Ticket.Kind.QUALITY:
            return quality_remedies(order, now=asked)
        case Ticket.Kind.RETURN:
            return ("return",) if may_come_back(order, kind="return", now=asked) else ()
        case Ticket.Kind.EXCHANGE_SIZE | Ticket.Kind.EXCHANGE_ITEM:
            return ("exchange",) if may_come_back(order, kind="exchange_size", now=asked) else ()
        case Ticket.Kind.REPAIR | Ticket.Kind.ALTERATION | Ticket.Kind.CARE:
            return ("repair",)
    return ()


def exchange_offer(ticket: Ticket, sku: Sku, *, now: datetime, quantity: int = 1) -> ExchangeQuote:
    """Return what it would cost to take a size for the ticket's piece. Raises what the till says no to."""
    assert ticket.order is not None and ticket.line is not None
    return checkout.quote_exchange(
        ticket.order, line_now(ticket.line).line_no, sku, quantity=quantity, is_faulty=ticket.kind == Ticket.Kind.QUALITY,
        store=ticket.store, asked_at=ticket.asked, now=now,
    )  # fmt: skip


# ---------------------------------------------------------------- care, alteration, repair


@dataclass(frozen=True)
class Coverage:
    """Why a work costs him nothing, or what it costs, and in how many days it is done."""

    kind: str  # CareSlip.Coverage
    words: str
    price_fen: int
    days: int


def coverage_of(
    member: Member, line: OrderLine, *, kind: str, care_kind: str = "", works: Sequence[str] = (), now: datetime, but: int | None = None,
    asked: datetime | None = None,
) -> Coverage:  # fmt: skip
    """Return what a care, an alteration or a repair of one piece costs today. `but`: a ticket that does not count against itself.

    `asked`: when he asked for it, by which the days of a free alteration and repair count.
    """
    bought, today = line.order.paid_on, local_day(now)
    match kind:
        case Ticket.Kind.CARE:
            return _care(member, line, care_kind, bought, today, now=now, but=but)
        case Ticket.Kind.ALTERATION:
            days = rules().alteration_days
            if (
                is_free_alteration(works, bought, local_day(asked or now))
                and not _had(line, Kind.FREE_ALTERATION, but=but).exists()
            ):
                return Coverage(Kind.FREE_ALTERATION, "购买 30 天内裤长、袖长免费改一次", 0, days)
            return _paid(works, days, now=now)
    days = rules().alteration_most_days
    if "repair" in quality_remedies(line.order, now=asked or now):
        return Coverage(Kind.WARRANTY, "90 天内的质量问题免费修", 0, days)
    return _paid(("维修",), days, now=now)


def _care(
    member: Member, line: OrderLine, care_kind: str, bought: date, today: date, *, now: datetime, but: int | None
) -> Coverage:
    days = rules().care_days.get(care_kind, max(rules().care_days.values()))
    if care_kind in rules().basic_care:
        return Coverage(Kind.BASIC, "自家衣服到店免费，不限次数", 0, days)
    tag_fen = StyleColor.objects.filter(sku_code=line.sku_code).values_list("price_fen", flat=True).first() or 0
    gift = included_care(line.care_key, care_kind, bought=bought, today=today, tag_fen=tag_fen)
    if gift is not None:
        used = _had(line, Kind.INCLUDED, but=but).filter(works=care_kind, received_at__gte=gift.since)
        if not used.exists():
            return Coverage(Kind.INCLUDED, gift.words, 0, days)
    left = free_care_of(member, today=today).left
    if left:
        return Coverage(Kind.FREE_CARE, f"用一次会员免费洗护，今年还有 {left} 次", 0, days)
    return _paid((care_kind,), days, now=now)


def _had(line: OrderLine, coverage: str, *, but: int | None) -> QuerySet[CareSlip]:
    """Return the works of a kind this piece had before, what was called off left out."""
    return (
        CareSlip.objects.filter(ticket__line=line, coverage=coverage)
        .exclude(ticket=but)
        .exclude(ticket__state__in=GONE)
    )


def _paid(works: Sequence[str], days: int, *, now: datetime) -> Coverage:
    price = price_of_works(works, now=now)
    return Coverage(Kind.PAID, f"按门店价目 {price / 100:g} 元" if price else "按门店价目，先报价", price, days)


@bar()
def _altered(order: Order, lines: Sequence[OrderLine]) -> Mapping[int, str]:
    """What was altered does not come back but for a fault (aftersale.yaml not_returnable)."""
    begun = Ticket.objects.filter(
        kind=Ticket.Kind.ALTERATION, line__in=lines, state__in=("processing", "ready", "closed")
    )
    altered = set(begun.filter(slip__confirmed_at__isnull=False).values_list("line_id", flat=True))
    return {line.line_no: "改过的衣服不退不换，有质量问题请选「质量问题」" for line in lines if line.pk in altered}


def compensation_of(ticket: Ticket, *, now: datetime) -> int:
    """Return what a piece is still worth, in fen: what was paid for one less a fifth for each full year, at least a fifth."""
    line = ticket.line
    if line is None:
        return 0
    line = line_now(line)
    bought, today = line.order.paid_on, local_day(now)
    years = today.year - bought.year - ((today.month, today.day) < (bought.month, bought.day))
    percent = max(LEAST_WORTH_PERCENT, 100 - 100 * years // WORTH_YEARS)
    return line.paid_fen // line.quantity * percent // 100
