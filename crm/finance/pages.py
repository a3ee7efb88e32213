"""/hq/finance/: days and their proof, what does not fit, payments, refunds, and what got stuck on its way."""

from datetime import date
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from yejibao.core import access, clock, desk, nav
from yejibao.core.errors import DomainError, NotFound
from yejibao.wechatpay import account
from yejibao.wechatpay.models import PayOrder

from . import queries, wording
from .models import Break, FinanceDay
from .scoped import FIGURE_READERS, LINE_READERS, reads_all


@never_cache
@require_GET
@access.roles(*FIGURE_READERS)
def days(request: HttpRequest) -> HttpResponse:
    """对账: the days, the newest first, and what waits."""
    actor, now = access.actor_of(request), clock.now()
    rows, next_day = queries.days(actor, until=_day_or_none(request.GET.get("until", "")))
    facts = {
        "rows": rows, "next": next_day, "waiting": queries.waiting(actor, now=now), "reads_all": reads_all(actor),
        "missing": queries.missing_days(actor, today=clock.local_day(now)) if reads_all(actor) and "until" not in request.GET else [],
        "is_on": account.is_on(),
    }  # fmt: skip
    return render(request, "finance/days.html", facts | _tabs(request, "days"))


@never_cache
@require_GET
@access.roles(*FIGURE_READERS)
def day(request: HttpRequest, day: str) -> HttpResponse:
    """One day: each equation with both its sides, what does not fit, and the button that closes it."""
    return day_page(request, day_of(day))


def day_page(request: HttpRequest, day: date, refusal: DomainError | None = None) -> HttpResponse:
    """Answer with a day, and with why what was just asked of it was refused. Raises NotFound."""
    actor = access.actor_of(request)
    row = FinanceDay.objects.visible_to(actor).select_related("closed_by").filter(day=day).first()
    if row is None:
        raise NotFound()
    may_act = reads_all(actor)
    seen = FinanceDay.objects.visible_to(actor).values_list("day", flat=True)
    breaks = (
        Break.objects.visible_to(actor)
        .select_related("owner", "answered_by")
        .filter(day=row)
        .order_by("state", "source", "number")
    )
    facts = {
        "row": row, "blocks": wording.blocks(row), "accounts": wording.accounts(row), "breaks": list(breaks[: queries.PAGE]),
        "may_act": may_act, "before": seen.filter(day__lt=row.day).order_by("-day").first(), "after": seen.filter(day__gt=row.day).order_by("day").first(),
        "open_count": breaks.filter(state=Break.State.OPEN).count(), "refused": desk.sentence(refusal) if refusal else "",
    }  # fmt: skip
    return render(
        request, "finance/day.html", facts | _tabs(request, "days"), status=refusal.status if refusal else 200
    )


@never_cache
@require_GET
@access.roles(*LINE_READERS)
def breaks(request: HttpRequest) -> HttpResponse:
    """差异: what is open, the oldest first; or what was answered or healed, the newest first."""
    state = request.GET.get("state", Break.State.OPEN)
    if state not in Break.State.values:
        raise NotFound()
    rows, before = queries.breaks(access.actor_of(request), state=state, before=request.GET.get("before", ""))
    for one in rows:
        one.is_late = one.is_old(clock.now())  # type: ignore[attr-defined]
    facts = {"rows": rows, "next": before, "state": state, "states": Break.State.choices}
    return render(request, "finance/breaks.html", facts | _tabs(request, "breaks"))


@never_cache
@require_GET
@access.roles(*LINE_READERS)
def one_break(request: HttpRequest, pk: int) -> HttpResponse:
    """One break: both sides, who answers for it, and the answer."""
    return break_page(request, pk)


def break_page(request: HttpRequest, pk: int, refusal: DomainError | None = None) -> HttpResponse:
    """Answer with a break, and with why an answer to it was refused, what was typed kept. Raises NotFound."""
    rows = Break.objects.visible_to(access.actor_of(request)).select_related("day", "owner", "answered_by")
    row = rows.filter(pk=pk).first()
    if row is None:
        raise NotFound()
    order = (
        PayOrder.objects.filter(out_trade_no=row.number).first()
        or PayOrder.objects.filter(transaction_id=row.number).first()
    )
    is_bookable = row.source == Break.Source.FUND
    answers = [(value, label) for value, label in Break.Answer.choices if is_bookable or value != Break.Answer.BOOKED]
    facts = {
        "row": row, "order": order, "answers": answers, "age": clock.now() - row.found_at, "typed": request.POST,
        "amount_fen": abs(row.difference_fen), "refused": desk.sentence(refusal) if refusal else "",
    }  # fmt: skip
    return render(
        request, "finance/break.html", facts | _tabs(request, "breaks"), status=refusal.status if refusal else 200
    )


@never_cache
@require_GET
@access.roles(*LINE_READERS)
def payments(request: HttpRequest) -> HttpResponse:
    """收款: every order at WeChat Pay."""
    state, words = request.GET.get("state", ""), request.GET.get("q", "").strip()[:64]
    if state and state not in PayOrder.State.values:
        raise NotFound()
    rows, before = queries.payments(
        access.actor_of(request), state=state, words=words, before=request.GET.get("before", "")
    )
    for one in rows:
        one.use = wording.PURPOSES.get(one.purpose, one.purpose)  # type: ignore[attr-defined]
    facts = {
        "rows": rows,
        "next": before,
        "state": state,
        "states": PayOrder.State.choices,
        "q": words,
    }
    return render(request, "finance/payments.html", facts | _tabs(request, "payments"))


@never_cache
@require_GET
@access.roles(*LINE_READERS)
def refunds(request: HttpRequest) -> HttpResponse:
    """退款: all of them, or with ?stuck=1 those that wait for a person, and notices that fit no order."""
    is_stuck, words = request.GET.get("stuck") == "1", request.GET.get("q", "").strip()[:64]
    actor = access.actor_of(request)
    rows, before = queries.refunds(actor, is_stuck=is_stuck, words=words, before=request.GET.get("before", ""))
    for one in rows:
        one.why = wording.refund_error(one.error)  # type: ignore[attr-defined]
    notices = queries.parked_notices(actor) if is_stuck else []
    for told in notices:
        told.why, told.kind = wording.notice_error(told.error), wording.notice_kind(told.event_type)  # type: ignore[attr-defined]
    facts = {
        "rows": rows,
        "next": before,
        "is_stuck": is_stuck,
        "q": words,
        "notices": notices,
    }
    return render(request, "finance/refunds.html", facts | _tabs(request, "refunds"))


def day_of(text: str) -> date:
    """Return a day of an address. Raises NotFound."""
    found = _day_or_none(text)
    if found is None:
        raise NotFound()
    return found


def _day_or_none(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _tabs(request: HttpRequest, current: str) -> dict[str, Any]:
    return {"tab": current, "reads_lines": reads_all(access.actor_of(request))}


def waiting_count(request: HttpRequest) -> int | None:
    """Return how much waits for finance, None for nothing."""
    return queries.waiting(access.actor_of(request), now=clock.now()).total or None


nav.add(
    "hq", key="finance", label=str(_("对账")), icon="file-spreadsheet", url="crm:finance", order=58, roles=FIGURE_READERS, badge=nav.kept(waiting_count),
)  # fmt: skip
