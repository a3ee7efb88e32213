"""The link a guide sent: what is in the basket, what he takes off it himself, and paying. Every price is the server's."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from crm.members.models import Member
from crm.orders.checkout.models import Sale
from crm.orders.checkout.queries import lines_of
from crm.orders.proxy import services as proxies
from crm.orders.proxy.models import ProxyOrder
from crm.wallet.queries import open_top_up
from yejibao.core import access, clock, hx, idempotency, limits
from yejibao.core.errors import NotFound
from yejibao.core.panels import Answer, panel
from yejibao.core.scope import Actor

from . import offers
from .paying import due_seen, to_pay
from .places import member_of, session_of

ON_HOME = 3


def _sale(request: HttpRequest, public_id: UUID) -> Sale:
    return offers.sale_of(access.actor_of(request), public_id)


def _chosen(request: HttpRequest) -> offers.Chosen:
    given = request.POST if request.method == "POST" else request.GET
    return offers.Chosen(given.get("coupon", "")[:16], bool(given.get("points")), bool(given.get("wallet")))


@never_cache
@require_GET
@access.member
def pay(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The basket with the lines of its price; a change of coupon, points or card asks for the lines anew."""
    sale, now = _sale(request, public_id), clock.now()
    is_over = offers.is_over(sale, now=now)
    proxy = offers.proxy_of(sale)
    context: dict[str, Any] = {
        "sale": sale,
        "is_over": is_over,
        "proxy": proxy,
        "refusals": offers.REFUSALS,
        "now": now,
    }
    if proxy is not None and proxy.opened_at is None and not hx.is_htmx(request):
        proxies.note_opened(sale, member=member_of(request), now=now)
    if sale.state == Sale.State.AWAITING_MEMBER and not is_over and not offers.is_transfer(proxy):
        chosen = _chosen(request) if "chosen" in request.GET else None
        context["offer"] = offers.offer_of(sale, chosen, now=now)
        if hx.is_htmx(request):
            return render(request, "member/part_pay_sum.html", context)
    else:
        context["lines"] = lines_of(sale)
    return render(request, "member/pay.html", context)


@require_POST
@access.member
@limits.by("money")
def confirm(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """He pays: coupon, points and card are taken as he saw them; what is left waits for WeChat."""
    sale, member, session, now = _sale(request, public_id), member_of(request), session_of(request), clock.now()
    assert session is not None
    key, chosen, due = idempotency.must_have_key(request), _chosen(request), due_seen(request)
    idempotency.once(
        request, {"chosen": [chosen.coupon, chosen.points, chosen.wallet], "due": due},
        lambda: offers.confirm(sale, chosen, member=member, session=session, due_fen=due, key=key,
                               actor=access.actor_of(request), now=now),
    )  # fmt: skip
    back = reverse("crm:my-pay", args=[public_id])
    return hx.redirect(back) if hx.is_htmx(request) else redirect(back)


@require_POST
@access.member
@limits.by("money")
def ask_wechat(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """What his WeChat needs to ask for the password; the same order each time."""
    sale = _sale(request, public_id)
    idempotency.must_have_key(request)
    return JsonResponse(to_pay(offers.order_of(sale), now=clock.now()))


@never_cache
@require_GET
@access.member
def state(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """How it stands; the waiting page asks every few seconds."""
    sale = offers.look(_sale(request, public_id), now=clock.now())
    return JsonResponse({"state": sale.state})


# ---------------------------------------------------------------- what a guide ordered for him


@dataclass(frozen=True)
class Asked:
    """A guide's order and who answers it, when, under which key."""

    proxy: ProxyOrder
    member: Member
    actor: Actor
    key: str
    now: datetime


def _answered(request: HttpRequest, public_id: UUID, act: Callable[[Asked], ProxyOrder], said: str) -> HttpResponse:
    """Run the member's answer to a guide's order, once per key, and go back to the page."""
    key = idempotency.must_have_key(request)
    proxy = offers.proxy_of(_sale(request, public_id))
    if proxy is None:
        raise NotFound()
    asked = Asked(proxy, member_of(request), access.actor_of(request), key, clock.now())
    idempotency.once(request, {"reason": request.POST.get("reason", "")}, lambda: {"proxy": act(asked).pk})
    hx.flash(request, said)
    return redirect(reverse("crm:my-pay", args=[public_id]))


@require_POST
@access.member
@limits.by("money")
def transferred(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """He says himself that he paid the guide: only then it is paid."""

    def say_so(it: Asked) -> ProxyOrder:
        return proxies.confirm_transfer(it.proxy, member=it.member, key=it.key, actor=it.actor, now=it.now)

    return _answered(request, public_id, say_so, "谢谢您，记下了")


@require_POST
@access.member
@limits.by("money")
def not_transferred(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """He transferred nothing: the store's manager hears of it at once."""

    def deny(it: Asked) -> ProxyOrder:
        return proxies.dispute_transfer(it.proxy, member=it.member, actor=it.actor, now=it.now)

    return _answered(request, public_id, deny, "知道了，店长会联系您")


@require_POST
@access.member
@limits.by("money")
def refuse(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """He does not want it; the guide is told why."""
    reason = request.POST.get("reason", "")

    def decline(it: Asked) -> ProxyOrder:
        return proxies.refuse_order(it.proxy, member=it.member, reason=reason, actor=it.actor, now=it.now)

    return _answered(request, public_id, decline, "好的，已经告诉导购")


@panel("my", order=5, name="to-pay")
def to_pay_panel(request: HttpRequest, *, member: Member, now: datetime, **_: Any) -> Answer:
    """等您确认 on top of 会员中心: orders and a top-up he was sent, should the link be lost in the chat."""
    sales = offers.waiting_for(access.actor_of(request), now=now, upto=ON_HOME)
    top_up = open_top_up(member, now=now)
    return ("member/part_to_pay.html", {"sales": sales, "top_up": top_up, "now": now}) if sales or top_up else None
