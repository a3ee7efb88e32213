"""储值 on the member's phone: balance, history, what a refund would come to, and the word only he can give: a top-up."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from crm.wallet import services as wallet
from crm.wallet.models import CardRefund, TopUp, Transfer
from crm.wallet.queries import live_wallet, open_top_up
from crm.wallet.rules import terms_on
from yejibao.core import access, clock, hx, idempotency, limits, nav, paging
from yejibao.core.clock import local_day
from yejibao.core.errors import DomainError, Invalid, NotFound

from .paying import look_at, payer_of, to_pay
from .places import find_one, member_of, session_of
from .queries import WalletLine, wallet_lines

PAGE = 20
Kind = Transfer.Kind

nav.add("member-tools", key="wallet", label="储值", icon="wallet", url="crm:my-wallet", order=50)


@never_cache
@require_GET
@access.member
def my_wallet(request: HttpRequest) -> HttpResponse:
    """Balance, what waits for him, and every movement of his cards."""
    member, now = member_of(request), clock.now()
    mine = Transfer.objects.visible_to(access.actor_of(request))
    rows, before = paging.page(wallet_lines(mine), "at", before=request.GET.get("before", ""), size=PAGE)
    more = f"{reverse('crm:my-wallet')}?before={before}" if before else ""
    context: dict[str, Any] = {"lines": [WalletLine(row) for row in rows], "more": more, "now": now}
    if hx.is_htmx(request):
        return render(request, "member/part_wallet_lines.html", context)
    card = live_wallet(member)
    refund = CardRefund.objects.under_way().filter(wallet=card).order_by("-pk").first() if card else None
    context |= {
        "card": card,
        "balance": wallet.balance_of(member),
        "waiting": open_top_up(member, now=now),
        "refund": refund,
        "may_ask": refund is None or refund.waits_for_bank,
        "terms": terms_on(local_day(now)),
    }
    return render(request, "member/wallet.html", context)


@never_cache
@require_http_methods(["GET", "POST"])
@access.member
@limits.by("money", given="way")
def refund(request: HttpRequest) -> HttpResponse:
    """What the card would be paid out at today; POST asks for it. Finance decides, and pays to an account of his own name."""
    member, now = member_of(request), clock.now()
    card = live_wallet(member)
    if card is None or not card.total_fen:
        raise NotFound(_("卡里没有可退的钱。"))
    context: dict[str, Any] = {"card": card, "quote": wallet.quote_refund(card, now=now), "now": now}
    if request.method == "POST":
        given = {name: request.POST.get(name, "").strip() for name in ("way", "payee_name", "payee_account", "reason")}
        idempotency.must_have_key(request)
        try:
            idempotency.once(request, given, lambda: _asked(request, card, given, now=now))
        except DomainError as no:
            context |= {"given": given, "no": no, "errors": {one["field"]: one["message"] for one in no.errors}}
            return render(request, "member/wallet_refund.html", context, status=no.status)
        hx.flash(request, "收到了，财务核对后退给您")
        return redirect(reverse("crm:my-wallet"))
    return render(request, "member/wallet_refund.html", context)


def _asked(request: HttpRequest, card: Any, given: dict[str, str], *, now: datetime) -> dict[str, Any]:
    asked = wallet.ask_refund(
        card,
        way=given["way"],
        reason=given["reason"],
        payee_name=given["payee_name"],
        payee_account=given["payee_account"],
        actor=access.actor_of(request),
        now=now,
    )
    return {"id": str(asked.public_id), "state": asked.state}


# ---------------------------------------------------------------- a top-up


def _top_up(request: HttpRequest, public_id: UUID) -> TopUp:
    mine = TopUp.objects.visible_to(access.actor_of(request)).select_related("store", "guide", "member")
    return find_one(mine, public_id, otherwise=_("这笔充值找不到，或者不是您的。"))


@never_cache
@require_GET
@access.member
def top_up(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """What he is asked to confirm, how it stands, or that it is over."""
    return _top_up_page(request, _top_up(request, public_id))


def _top_up_page(request: HttpRequest, held: TopUp, *, no: DomainError | None = None) -> HttpResponse:
    facts = wallet.confirm_facts(held, now=clock.now())
    errors = {one["field"]: one["message"] for one in no.errors} if no else {}
    context = {"top_up": held, "facts": facts, "no": no, "errors": errors, "given": request.POST, "now": clock.now()}
    return render(request, "member/top_up.html", context, status=no.status if no else 200)


@require_POST
@access.member
@limits.by("money")
def confirm_top_up(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """His word: amount, terms, and with the first one his real name. A second tap finds it confirmed."""
    held = _top_up(request, public_id)
    idempotency.must_have_key(request)
    given = {name: request.POST.get(name, "").strip() for name in ("terms", "name", "id_number", "contact")}
    if not request.POST.get("agree"):
        return _top_up_page(request, held, no=Invalid(_("请先看过章程，再勾选同意")))
    try:
        # Not through idempotency.once: the answer would keep what he says of himself. The state of the row decides.
        wallet.confirm_top_up(
            held, member=held.member, now=clock.now(), terms_version=int(given["terms"] or 0) if given["terms"].isdecimal() else 0,
            real_name=wallet.RealName(given["name"], given["id_number"], given["contact"]) if given["name"] or given["id_number"] else None,
        )  # fmt: skip
    except DomainError as no:
        held.refresh_from_db()
        return _top_up_page(request, held, no=no)
    return redirect(reverse("crm:my-top-up", args=[public_id]))


@require_POST
@access.member
@limits.by("money")
def pay_top_up(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """What his WeChat needs to ask for the password; the same order each time."""
    held = _top_up(request, public_id)
    idempotency.must_have_key(request)
    now, session = clock.now(), session_of(request)
    assert session is not None
    is_paid = held.state == TopUp.State.SETTLED
    order = None if is_paid else wallet.pay_order_of(held, payer_openid=payer_of(session), now=now)
    return JsonResponse(to_pay(order, now=now))


@never_cache
@require_GET
@access.member
def top_up_state(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """How a top-up stands; the waiting page asks every few seconds."""
    held = _top_up(request, public_id)
    if held.state == TopUp.State.CONFIRMED and held.method == TopUp.Method.WECHAT:
        look_at("top_up", str(held.pk), now=clock.now())
        held.refresh_from_db(fields=["state"])
    return JsonResponse({"state": held.state})
