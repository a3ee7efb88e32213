"""2 确认收款: what is in it, what he saves, how he pays and how he gets it; and the link that asks him."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from yejibao.core import access, clock, desk, files, hx, idempotency, limits
from yejibao.core.errors import DomainError, Invalid
from yejibao.core.scope import Actor

from ...checkout import services as checkout
from ...checkout.models import Sale, SaleLine
from ...checkout.queries import coupon_choices, means_of, priced
from .. import services
from ..models import ProxyOrder
from ..scoped import PROXY
from ..services.sending import ROOM
from .parts import NO_COUPON, SELLERS, basket_to_fill, counted, pay_page, shell

Way = ProxyOrder.Way


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles(*SELLERS)
def checkout_page(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The lines, the way to him, what he saves, how he pays. A change comes back with the new prices."""
    actor, now, sale = access.actor_of(request), clock.now(), basket_to_fill(request, public_id)
    if sale.state != Sale.State.DRAFT:
        return HttpResponseRedirect(reverse("crm:proxy-state", args=[public_id]))
    if request.method == "POST":
        try:
            _change(request, sale, actor, now)
        except DomainError as refusal:
            if refusal.status not in desk.SHOWN:
                raise
            hx.flash(request, desk.sentence(refusal))
        return HttpResponseRedirect(pay_page(sale, without_coupon=_wants_no_coupon(request)))
    return render(request, "proxy/pay.html", _pay_facts(request, sale, now))


def _wants_no_coupon(request: HttpRequest) -> bool:
    """Tell whether she left the coupon out by hand: the address says so until she chooses one, or comes from 选货 again."""
    if request.POST.get("do") == "coupon":
        return not request.POST.get("coupon")
    return request.GET.get("coupon") == NO_COUPON


def _change(request: HttpRequest, sale: Sale, actor: Actor, now: datetime) -> None:
    """Change a quantity, the coupon or the points of a basket. Raises Invalid."""
    post = request.POST
    match post.get("do"):
        case "more" | "less":
            line = (
                SaleLine.objects.filter(sale=sale, pk=desk.chosen(post.get("line")), is_gift=False)
                .select_related("sku")
                .first()
            )
            if line is not None:
                checkout.add_lines(sale, [(line.sku.code, 1 if post["do"] == "more" else -1)], actor=actor, now=now)
        case "coupon":
            checkout.choose(sale, coupon_id=desk.chosen(post.get("coupon")) or None, actor=actor, now=now)
        case "points":
            checkout.choose(
                sale, points=priced(sale, now=now).quote.points_most if post.get("points") else 0, actor=actor, now=now
            )
        case _:
            raise Invalid("没看懂要做什么，重新点一下")


def _pay_facts(request: HttpRequest, sale: Sale, now: datetime, refusal: DomainError | None = None) -> dict[str, Any]:
    without_coupon = sale.coupon_id is None if refusal else _wants_no_coupon(request)
    if request.method == "GET" and not without_coupon:
        sale = services.propose_best(sale, actor=access.actor_of(request), now=now)
    found = counted(priced(sale, now=now), now)
    quote, means = found.quote, means_of(sale.member, now=now)
    choices = coupon_choices(found, now=now)
    chosen = next((one for one in choices if one.coupon.pk == sale.coupon_id), None)
    used = services.transferred_today(sale.guide_id or 0, now=now)
    most = services.TRANSFER_A_DAY.at(now) * 100
    return shell(
        request, sale=sale, member=sale.member, rows=found.rows, pieces=sum(line.quantity for line in found.lines), quote=quote, means=means, choices=[one for one in choices if one.is_usable],
        coupon=chosen, card_is_enough=bool(quote.paid_fen) and means.wallet_fen >= quote.paid_fen,
        card_after=means.wallet_fen - quote.paid_fen, transfer_left=max(0, most - used), offer_name=found.offer_name,
        link_hours=services.LINK_HOURS.at(now), refusal=refusal, errors={one["field"]: one["message"] for one in refusal.errors} if refusal else {},
        post=request.POST, room=ROOM, step=2, here=pay_page(sale, without_coupon=without_coupon), deliveries=ProxyOrder.Delivery.choices,
    )  # fmt: skip


@limits.by("money")
@require_POST
@access.permission(PROXY)
def send(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """发确认单给他: prices hold from here, pieces are kept; once per key."""
    actor, now, sale = access.actor_of(request), clock.now(), basket_to_fill(request, public_id)
    idempotency.must_have_key(request)
    post = request.POST
    way, delivery, address = post.get("way", ""), post.get("delivery", ""), post.get("address", "")
    vouchers = []
    if way == Way.TRANSFER:
        vouchers = files.take(request.FILES.getlist("photo"), post.getlist("photos"), room=ROOM, actor=actor, now=now)
    content = {"way": way, "delivery": delivery, "address": address}

    def work() -> dict[str, Any]:
        proxy = services.send_order(
            sale, way=way, delivery=delivery, address=address, vouchers=vouchers, actor=actor, now=now
        )
        return {"pk": proxy.pk}

    _answer, refusal = desk.attempt(request, content, work)
    if refusal is not None:
        sale = basket_to_fill(request, public_id)
        return render(request, "proxy/pay.html", _pay_facts(request, sale, now, refusal), status=refusal.status)
    return desk.done(request, "单子备好了，发给他吧", reverse("crm:proxy-state", args=[public_id]))
