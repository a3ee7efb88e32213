"""What finance does on its pages: count a day, close it, take and answer breaks, send stuck refunds once more."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from yejibao.core import access, clock, desk, hx, idempotency, limits
from yejibao.core.errors import DomainError, NotFound
from yejibao.wechatpay.models import PayNotice, PayRefund
from yejibao.wechatpay.notices.services import try_notice_again

from . import services
from .models import Break
from .pages import break_page, day_of, day_page
from .scoped import LINE_READERS


@require_POST
@access.roles(*LINE_READERS)
@limits.by("money")
def count(request: HttpRequest, day: str) -> HttpResponse:
    """再对一遍. Nothing moves by it, and counting twice is counting once."""
    row = services.reconcile(day_of(day), now=clock.now())
    said = "这一天已经关账" if row.is_closed else row.error or "对好了"
    return _to(request, reverse("crm:finance-day", args=[row.day.isoformat()]), said)


@require_POST
@access.roles(*LINE_READERS)
@limits.by("money")
def close(request: HttpRequest, day: str) -> HttpResponse:
    """关账"""
    at, note = day_of(day), request.POST.get("note", "")

    def work() -> None:
        services.close_day(at, actor=access.actor_of(request), now=clock.now(), note=note)

    if refusal := _once(request, {"close": day, "note": note}, work):
        return day_page(request, at, refusal)
    return _to(request, reverse("crm:finance-day", args=[day]), "已关账，这一天的数字不会再变")


@require_POST
@access.roles(*LINE_READERS)
@limits.by("money")
def take(request: HttpRequest, pk: int) -> HttpResponse:
    """我来处理"""
    _seen(request, pk)
    refusal = _once(request, {"take": pk}, lambda: services.take_break(pk, actor=access.actor_of(request)))
    return _to(request, reverse("crm:finance-break", args=[pk]), "这条归你处理了", refusal)


@require_POST
@access.roles(*LINE_READERS)
@limits.by("money")
def answer(request: HttpRequest, pk: int) -> HttpResponse:
    """处理"""
    row = _seen(request, pk)
    chosen, note = request.POST.get("answer", ""), request.POST.get("note", "")

    def work() -> None:
        services.answer_break(pk, answer=chosen, note=note, actor=access.actor_of(request), now=clock.now())

    if refusal := _once(request, {"answer": chosen, "note": note}, work):
        return break_page(request, pk, refusal)
    return _to(request, reverse("crm:finance-day", args=[row.day.day.isoformat()]), "处理好了")


@require_POST
@access.roles(*LINE_READERS)
@limits.by("money")
def refund_again(request: HttpRequest, pk: int) -> HttpResponse:
    """重发: under the same number, which never pays twice."""
    if not PayRefund.objects.filter(pk=pk).exists():
        raise NotFound()
    refusal = _once(
        request, {"refund": pk}, lambda: services.send_again(pk, actor=access.actor_of(request), now=clock.now())
    )
    return _to(request, reverse("crm:finance-refunds") + "?stuck=1", "已经重发，同一个退款单号不会退两次", refusal)


@require_POST
@access.roles(*LINE_READERS)
@limits.by("money")
def notice_again(request: HttpRequest, pk: int) -> HttpResponse:
    """重新处理一条搁置的通知"""
    if not PayNotice.objects.filter(pk=pk).exists():
        raise NotFound()
    refusal = _once(
        request, {"notice": pk}, lambda: try_notice_again(pk, actor=access.actor_of(request), now=clock.now())
    )
    return _to(request, reverse("crm:finance-refunds") + "?stuck=1", "已放回队列，几秒内处理", refusal)


def _seen(request: HttpRequest, pk: int) -> Break:
    row = Break.objects.visible_to(access.actor_of(request)).select_related("day").filter(pk=pk).first()
    if row is None:
        raise NotFound()
    return row


def _once(request: HttpRequest, content: dict[str, Any], work: Callable[[], object]) -> DomainError | None:
    """Run an act once per key; return the refusal a page has to show."""

    def done() -> dict[str, Any]:
        work()
        return {}

    idempotency.must_have_key(request)
    _answer, refusal = desk.attempt(request, content, done)
    return refusal


def _to(request: HttpRequest, url: str, said: str, refusal: DomainError | None = None) -> HttpResponse:
    hx.flash(request, desk.sentence(refusal) if refusal else said)
    return hx.redirect(url) if hx.is_htmx(request) else redirect(url)
