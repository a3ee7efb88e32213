"""What the pages of finance read: days, breaks, payments, refunds, and what waits for a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet

from yejibao.core import paging
from yejibao.core.scope import Actor
from yejibao.wechatpay.models import PayNotice, PayOrder, PayRefund

from .models import Break, FinanceDay
from .scoped import reads_all

PAGE = 50
DAYS = 31
LONG_TRIES = 5  # a refund that was tried so often is told, though it goes on by itself


@dataclass(frozen=True)
class Waiting:
    """What waits for finance."""

    breaks: int
    old_breaks: int
    days: int
    refunds: int
    notices: int

    @property
    def old_note(self) -> str:
        return f"{self.old_breaks} 条超过 {Break.DUE.days} 天" if self.old_breaks else f"没有超过 {Break.DUE.days} 天的"

    @property
    def total(self) -> int:
        return self.breaks + self.refunds + self.notices


def waiting(actor: Actor, *, now: datetime) -> Waiting:
    """Count what waits: one statement for the breaks, one for each of the others."""
    if not reads_all(actor):
        return Waiting(0, 0, 0, 0, 0)
    found = Break.objects.visible_to(actor).filter(state=Break.State.OPEN)
    counts = found.aggregate(all=Count("pk"), old=Count("pk", filter=Q(found_at__lt=now - Break.DUE)))
    return Waiting(
        breaks=counts["all"], old_breaks=counts["old"],
        days=FinanceDay.objects.visible_to(actor).exclude(state=FinanceDay.State.CLOSED).count(),
        refunds=stuck_refunds().count(), notices=PayNotice.objects.filter(state=PayNotice.State.PARKED).count(),
    )  # fmt: skip


def days(actor: Actor, *, until: date | None) -> tuple[list[FinanceDay], date | None]:
    """Return a month of days, the newest first, and the day with which the next page begins."""
    rows = FinanceDay.objects.visible_to(actor).select_related("closed_by")
    if until:
        rows = rows.filter(day__lte=until)
    rows = rows.annotate(open_count=Count("breaks", filter=Q(breaks__state=Break.State.OPEN)))
    found: list[Any] = list(rows.order_by("-day")[: DAYS + 1])  # with open_count
    return found[:DAYS], found[DAYS].day if len(found) > DAYS else None


def breaks(actor: Actor, *, state: str, before: str) -> tuple[list[Break], str]:
    """Return one page of breaks; open ones with the oldest first, as they are to be worked off."""
    rows = Break.objects.visible_to(actor).select_related("day", "owner", "answered_by").filter(state=state)
    is_rising = state == Break.State.OPEN
    return paging.page(rows, "found_at" if is_rising else "ended_at", before=before, size=PAGE, is_rising=is_rising)


def payments(actor: Actor, *, state: str, words: str, before: str) -> tuple[list[PayOrder], str]:
    """Return one page of payments, the newest first; `words` is a number of ours or of WeChat's."""
    rows = PayOrder.objects.defer("payer_openid") if reads_all(actor) else PayOrder.objects.none()
    if state:
        rows = rows.filter(state=state)
    if words:
        rows = rows.filter(Q(out_trade_no=words) | Q(transaction_id=words))
    return paging.page(rows, "created_at", before=before, size=PAGE)


def refunds(actor: Actor, *, is_stuck: bool, words: str, before: str) -> tuple[list[PayRefund], str]:
    """Return one page of refunds, the newest first."""
    rows: QuerySet[PayRefund] = stuck_refunds() if is_stuck else PayRefund.objects.all()
    if not reads_all(actor):
        rows = rows.none()
    if words:
        rows = rows.filter(Q(out_refund_no=words) | Q(refund_id=words) | Q(order__out_trade_no=words))
    return paging.page(
        rows.select_related("order").defer("order__payer_openid"), "created_at", before=before, size=PAGE
    )


def stuck_refunds() -> QuerySet[PayRefund]:
    """Refunds a person has to look at: refused, at a card that is gone, or tried again and again."""
    under_way = Q(state__in=PayRefund.UNDER_WAY, tries__gte=LONG_TRIES) & ~Q(error="")
    return PayRefund.objects.filter(Q(state__in=PayRefund.STUCK) | under_way | Q(error__in=["MISFIT", "TWICE"]))


def parked_notices(actor: Actor) -> list[PayNotice]:
    """Return notices that do not fit their order, or failed five times; without their text."""
    rows = PayNotice.objects.filter(state=PayNotice.State.PARKED) if reads_all(actor) else PayNotice.objects.none()
    return list(rows.defer("body").order_by("-pk")[:PAGE])


def missing_days(actor: Actor, *, today: date) -> list[date]:
    """Return days of the last fortnight that nobody has counted."""
    wanted = {today - timedelta(days=back) for back in range(1, 15)}
    held = FinanceDay.objects.visible_to(actor)
    first = held.order_by("day").values_list("day", flat=True).first()
    known = set(held.filter(day__in=wanted).values_list("day", flat=True))
    begin = first or today - timedelta(days=1)
    return sorted((day for day in wanted - known if day >= begin), reverse=True)
