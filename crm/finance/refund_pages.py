"""One refund at WeChat: what became of it, and where it is stuck the ways left: once more, paid by hand, given up."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from guides.org.confirming import recently_confirmed
from yejibao.core import access, clock, desk, files, idempotency, limits
from yejibao.core.errors import DomainError, NotFound
from yejibao.wechatpay import services as wechatpay
from yejibao.wechatpay.models import PayRefund, PayStep

from . import services, wording
from .models import RefundEnding
from .scoped import LINE_READERS, reads_all
from .services.ending import ROOM

How = RefundEnding.How
DROP = "drop"


@never_cache
@require_GET
@access.roles(*LINE_READERS)
def refund(request: HttpRequest, pk: int) -> HttpResponse:
    """The refund, its steps, and how it was ended or may be."""
    return _page(request, _seen(request, pk))


@require_POST
@access.roles(*LINE_READERS)
@recently_confirmed
@limits.by("money")
def end(request: HttpRequest, pk: int) -> HttpResponse:
    """申请另付, 申请不退: somebody else approves; or 不付了 of what was approved."""
    row, actor, now = _seen(request, pk), access.actor_of(request), clock.now()
    idempotency.must_have_key(request)
    how, reason = request.POST.get("how", ""), request.POST.get("reason", "")

    def work() -> dict[str, Any]:
        if how == DROP:
            return {"pk": services.drop_ending(row.pk, actor=actor, now=now).pk}
        return {"pk": services.ask_ending(row.pk, how=how, reason=reason, actor=actor, now=now).pk}

    _answer, refusal = desk.attempt(request, {"how": how, "reason": reason, "refund": pk}, work)
    if refusal is not None:
        return _page(request, row, refusal)
    said = "不付了，可以再重发" if how == DROP else "申请了，等另一位批准"
    return desk.done(request, said, reverse("crm:finance-refund", args=[pk]))


@require_POST
@access.roles(*LINE_READERS)
@recently_confirmed
@limits.by("money")
def pay(request: HttpRequest, pk: int) -> HttpResponse:
    """付好了: with the bank's number and a picture of the slip; WeChat is asked once more before."""
    row, actor, now = _seen(request, pk), access.actor_of(request), clock.now()
    idempotency.must_have_key(request)
    payout = request.POST.get("payout_ref", "")
    photos = files.take(request.FILES.getlist("photo"), request.POST.getlist("photos"), room=ROOM, actor=actor, now=now)

    def work() -> dict[str, Any]:
        done = services.pay_ending(row.pk, payout_ref=payout, vouchers=photos, actor=actor, now=now)
        return {"state": done.state}

    try:
        services.ask_provider(row.pk, actor=actor, now=now)
        _answer, refusal = desk.attempt(request, {"payout": payout, "refund": pk}, work)
    except wechatpay.NotStuck as moved:
        refusal = moved
    if refusal is not None:
        return _page(request, row, refusal)
    return desk.done(request, "付款记好了，这笔退款了结", reverse("crm:finance-refund", args=[pk]))


def _seen(request: HttpRequest, pk: int) -> PayRefund:
    rows = PayRefund.objects.select_related("order").defer("order__payer_openid").filter(pk=pk)
    row = rows.first() if reads_all(access.actor_of(request)) else None
    if row is None:
        raise NotFound()
    return row


def _page(request: HttpRequest, row: PayRefund, refusal: DomainError | None = None) -> HttpResponse:
    row.refresh_from_db(fields=["state", "error", "next_try_at", "tries"])
    endings = list(
        RefundEnding.objects.visible_to(access.actor_of(request))
        .filter(pay_refund=row)
        .select_related("asked_by", "ended_by", "approval")
        .order_by("-pk")
    )
    held = next((one for one in endings if one.state != RefundEnding.State.DROPPED), None)
    states = dict(PayRefund.State.choices)
    facts = {
        "row": row, "why": wording.refund_error(row.error), "purpose": wording.PURPOSES.get(row.order.purpose, row.order.purpose),
        "steps": [(one, states.get(one.to_state, one.to_state)) for one in PayStep.objects.filter(refund=row).order_by("pk")],
        "endings": endings, "held": held, "vouchers": files.of(ROOM, [held.pk]).get(held.pk, []) if held else [], "hows": How.choices,
        "may_end": row.state in PayRefund.STUCK and row.next_try_at is None and held is None, "room": ROOM,
        "refusal": desk.sentence(refusal) if refusal else "", "post": request.POST, "tab": "refunds", "reads_lines": True,
    }  # fmt: skip
    return render(request, "finance/refund.html", facts, status=refusal.status if refusal else 200)
