"""For whom she orders, and 1 选货: a style found, its sizes and where they are, what the basket comes to."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from crm.catalogue import showing
from crm.catalogue.models import Sku, StyleColor
from crm.catalogue.outfits.together import companions
from crm.catalogue.outfits.wardrobe import wardrobe_of
from crm.catalogue.outfits.words import HE
from crm.catalogue.queries import find_goods, goods_of, price_of_styles, stock_by_size, totals_of
from crm.catalogue.services import sku_of_scan
from crm.members.customers import find_members, member_of
from yejibao.core import access, clock, desk, hx, limits, nav
from yejibao.core.errors import NotFound
from yejibao.core.scope import Actor

from ...checkout import services as checkout
from ...checkout.models import Sale
from ...checkout.queries import coupon_choices, means_of, priced
from .. import services
from ..queries import baskets_of, standing_of, under_way
from .parts import SELLERS, basket_to_fill, counted, pay_page, shell

FOUND = 12


# ---------------------------------------------------------------- for whom


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles(*SELLERS)
@limits.by("search", given="q")
def home(request: HttpRequest) -> HttpResponse:
    """What is under way, and whom to order for. The words come in the body: they may be a phone."""
    actor, now = access.actor_of(request), clock.now()
    words = request.POST.get("q", "").strip()[:32]
    found = list(find_members(actor, words)[:8]) if words else []
    if hx.is_htmx(request):
        return render(request, "proxy/members.html", {"members": found, "words": words})
    rows = list(under_way(actor)[:20])
    facts = {"orders": [(row, standing_of(row)) for row in rows], "baskets": list(baskets_of(actor, now=now)[:10]),
             "members": found, "words": words}  # fmt: skip
    return render(request, "proxy/home.html", shell(request, **facts))


@require_POST
@access.roles(*SELLERS)
def start(request: HttpRequest) -> HttpResponse:
    """给他下单: her basket for this member, and straight to a style where one was chosen."""
    actor = access.actor_of(request)
    try:
        name = UUID(request.POST.get("member", ""))
    except ValueError:
        raise NotFound() from None
    member = member_of(actor, name).member
    assert member is not None
    sale = services.open_basket(member, actor=actor, now=clock.now())
    style = request.POST.get("style", "")
    at = reverse("crm:proxy", args=[sale.public_id]) + (
        f"?style={int(style)}" if style.isdecimal() and len(style) < 12 else ""
    )
    return hx.redirect(at) if hx.is_htmx(request) else HttpResponseRedirect(at)


# ---------------------------------------------------------------- 1 选货


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles(*SELLERS)
@limits.by("search", given="q")
def basket(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Find a style, see where its sizes are, put it in."""
    actor, now, sale = access.actor_of(request), clock.now(), basket_to_fill(request, public_id)
    if sale.state != Sale.State.DRAFT:
        return HttpResponseRedirect(reverse("crm:proxy-state", args=[public_id]))
    refusal = None
    if request.method == "POST":
        if request.POST.get("ask"):
            return _ask(request, sale)
        code, quantity = request.POST.get("sku", "")[:64], desk.chosen(request.POST.get("quantity", "1")) or 1
        _answer, refusal = desk.attempt(
            request, {"sku": code, "quantity": quantity},
            lambda: {"pk": checkout.add_lines(sale, [(code, quantity)], actor=actor, now=now).pk},
        )  # fmt: skip
        if refusal is None:
            return desk.done(request, "放进去了", f"{request.path}?style={desk.chosen(request.POST.get('style'))}")
    words = request.GET.get("q", "").strip()[:200]
    facts: dict[str, Any] = {"sale": sale, "member": sale.member, "q": words, "refusal": refusal, "step": 1}
    assert sale.member is not None
    known = wardrobe_of(sale.member, now=now)
    facts |= {"sizes": {name: one.size for name, one in known.sizes.items()}, "worn": known.by_kind}
    facts["means"] = means_of(sale.member, now=now)
    facts |= _sum(sale, now)
    style, size = _wanted(request, words)
    if style is not None:
        facts |= _style_facts(sale, style, size, facts["sizes"], actor, now)
    elif words:
        rows = list(find_goods(words[:50], actor)[:FOUND])
        totals = totals_of([one.pk for one in rows], sale.store_id, now=now)
        facts["found"] = showing.cards(rows, store=sale.store, totals=totals, now=now)
    if style is not None or not words:
        taken = [line.sku.style_id for line, _share in facts["found_price"].rows if not line.is_gift]
        facts["together"] = companions(
            [style.pk, *taken] if style else taken, known, store=sale.store, is_personal=not sale.member.no_profiling, now=now, who=HE
        )  # fmt: skip
    status = refusal.status if refusal else 200
    return render(request, "proxy/basket.html", shell(request, **facts), status=status)


def _ask(request: HttpRequest, sale: Sale) -> HttpResponse:
    """调货 at one tap: what the store lacks of a size in the basket is asked of the nearest that has it; `more` puts one in first."""
    actor, now, post = access.actor_of(request), clock.now(), request.POST
    sku = Sku.objects.select_related("style").filter(code=post.get("sku", "")[:64]).first()
    if sku is None:
        raise NotFound()
    key = post.get("idempotency_key", "") or request.headers.get("Idempotency-Key", "") or uuid4().hex

    @transaction.atomic  # what nobody can send is not put in either
    def work() -> dict[str, Any]:
        if post.get("more"):
            checkout.add_lines(sale, [(sku.code, 1)], actor=actor, now=now)
        asked = services.ask_for_rest(sale, sku.pk, key=f"proxy:{key}"[:64], actor=actor, now=now)
        return {"place": str(asked.from_store or asked.from_warehouse) if asked else ""}

    answer, refusal = desk.attempt(request, {"sku": sku.code, "more": post.get("more", "")}, work)
    if refusal is not None:
        said = desk.sentence(refusal)
    else:
        said = f"问了{answer['place']}，到了会提醒你，单子先留着" if answer["place"] else "已经在调了，到了会提醒你"
    there = (
        pay_page(sale, without_coupon=False)
        if post.get("back") == "pay"
        else f"{request.path}?{urlencode({'style': sku.style_id, 'size': sku.size})}"
    )
    return desk.done(request, said, there)


def _his(sizes: dict[str, str], style: StyleColor) -> str:
    return sizes.get(style.category_l1) or sizes.get(style.category_l2) or ""


def _wanted(request: HttpRequest, words: str) -> tuple[StyleColor | None, str]:
    """Return the style the page is about, and its size where a tag was scanned."""
    number = request.GET.get("style", "")
    if number.isdecimal() and len(number) < 12:
        return StyleColor.objects.filter(pk=int(number)).first(), request.GET.get("size", "")[:16]
    if not words:
        return None, ""
    sku = sku_of_scan(words)
    return (sku.style, sku.size) if sku else (None, "")


def _style_facts(
    sale: Sale, style: StyleColor, size: str, sizes: dict[str, str], actor: Actor, now: datetime
) -> dict[str, Any]:
    stock = stock_by_size(style, store=sale.store, actor=actor, now=now)
    his = _his(sizes, style)
    size = size or his
    size = size if size in stock.skus else ""
    price = price_of_styles([style.pk], store=sale.store, at=now)[style.pk]
    known = Sku.objects.filter(pk=stock.skus[size]).first() if size else None
    cells = showing.size_cells(stock, size)
    return {
        "style": style, "price": price, "colors": _colors_of(style), "stock": stock, "size": size, "sku": known,
        "cells": cells, "here": next((cell["here"] for cell in cells if cell["size"] == size), 0),
        "his": his, "places": showing.places_of(stock, size) if size else [], "sku_id": stock.skus.get(size),
    }  # fmt: skip


def _colors_of(style: StyleColor) -> list[dict[str, Any]]:
    """Return the colours of a style with the dot each is shown as."""
    return [{"style": one, "dot": showing.DOTS.get(one.color_family, "#9A9A94")} for one in goods_of(style.style_no)]


def _sum(sale: Sale, now: datetime) -> dict[str, Any]:
    """Return what is in the basket and about what he pays: with the coupon that will be proposed."""
    found = counted(priced(sale, now=now), now)
    choices = coupon_choices(found, now=now) if sale.coupon_id is None else []
    return {
        "found_price": found, "pieces": sum(line.quantity for line in found.lines if not line.is_gift),
        "about_fen": found.quote.paid_fen - next((one.discount_fen for one in choices if one.is_usable), 0),
    }  # fmt: skip


def open_orders(request: HttpRequest) -> int | None:
    return under_way(access.actor_of(request)).count() or None


nav.add("sidebar", key="proxy", label="下单", icon="shopping-bag", url="crm:proxy-home", order=30, roles=SELLERS)
nav.add(
    "tools",
    key="proxy",
    label="代客下单",
    icon="shopping-bag",
    url="crm:proxy-home",
    order=34,
    roles=SELLERS,
    badge=open_orders,
    loud=False,
)
