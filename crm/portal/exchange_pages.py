"""/my/exchanges/: what another piece costs more, paid on his own phone: from his card, the rest by WeChat."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from crm.orders.checkout.models import Exchange
from crm.orders.checkout.services import member_pays_exchange
from crm.wallet.queries import balance_of
from yejibao.core import access, clock, hx, idempotency, limits, live

from .paying import due_seen, exchange_of, look_at_exchange, payer_of, to_pay, waited_for
from .places import member_of, session_of


def _own(request: HttpRequest, public_id: UUID) -> Exchange:
    return exchange_of(access.actor_of(request), public_id)


@never_cache
@require_GET
@access.member
def exchange(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """What he gets, what he gives back, what is to pay; what his card holds is offered first.

    Refreshes itself while others decide. Once he has chosen to pay, the page asks after his payment instead.
    """
    row, now = _own(request, public_id), clock.now()
    is_over, card_fen = row.expires_at is not None and row.expires_at <= now, balance_of(member_of(request)).usable_fen
    pay_order = waited_for(row)
    mark = live.mark(row, pay_order and pay_order.pk, is_over, card_fen, clock.local_day(now))

    def build() -> HttpResponse:
        if pay_order is not None and hx.is_htmx(request):  # begun elsewhere: the whole page, whose script pays
            return hx.redirect(request.path)
        facts = {
            "exchange": row, "was": row.order.lines.filter(line_no=row.line_no).first(), "now": now, "pay_order": pay_order,
            "is_over": is_over, "card_fen": card_fen, "mark": mark,
        }  # fmt: skip
        return render(request, "member/exchange_part.html" if hx.is_htmx(request) else "member/exchange.html", facts)

    return live.answer(request, mark, build)


@require_POST
@access.member
@limits.by("money")
def confirm(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """He pays what the page showed him: with his card as far as it goes where he wants that, the rest waits for WeChat."""
    row, session = _own(request, public_id), session_of(request)
    assert session is not None
    key, wallet, due = idempotency.must_have_key(request), request.POST.get("wallet") == "1", due_seen(request)

    def work() -> dict[str, str]:
        paid = member_pays_exchange(
            row, member=member_of(request), use_wallet=wallet, payer_openid=payer_of(session), key=key,
            actor=access.actor_of(request), now=clock.now(), expected_due_fen=due,
        )  # fmt: skip
        return {"state": paid.state}

    idempotency.once(request, {"wallet": wallet, "due": due}, work)
    back = reverse("crm:my-exchange", args=[public_id])
    return hx.redirect(back) if hx.is_htmx(request) else redirect(back)


@require_POST
@access.member
@limits.by("money")
def ask_wechat(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """What his WeChat needs to ask for the password; the same order each time."""
    row = _own(request, public_id)
    idempotency.must_have_key(request)
    return JsonResponse(to_pay(waited_for(row), now=clock.now()))


@never_cache
@require_GET
@access.member
def state(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """How it stands; the waiting page asks every few seconds."""
    row = _own(request, public_id)
    return JsonResponse({"state": look_at_exchange(row, now=clock.now())})
