"""货品: finding goods, and where their pieces are. For who stands in a store, and those above; quantities only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from crm.members.models import Member
from guides.org import matrix
from guides.org.models import Store
from guides.org.pages import shell_of
from yejibao.core import access, clock, files, hx, limits, nav
from yejibao.core.errors import NotFound
from yejibao.core.scope import Actor

from . import showing
from .item_models import ItemCode
from .models import ProductTag, StyleColor
from .queries import Filters, far_stores, find_goods, goods_of, price_of_styles, stock_by_size, totals_of
from .queries.finding import sku_of, tags_of
from .scoped import READ, RESERVE
from .services import item_of
from .stock_models import Reservation, TransferRequest

WHO = matrix.holders(READ)
IN_STORE = matrix.holders(RESERVE)
PAGE = 24
FOUND_MOST = 48  # of a search: who sees more writes one more word
# What one narrows by in a store, in the order of how often one would.
NARROWED = ("category_l1", "season", "occasion", "color_family", "price_band", "series", "fit", "sale_position")


def store_of(request: HttpRequest) -> Store | None:
    """Return the store a page is seen from: one's own, for those above the one they name, if it is theirs to see."""
    actor = access.actor_of(request)
    if actor.store_id:
        return Store.objects.filter(pk=actor.store_id).first()
    asked = request.GET.get("store", "")
    return (
        Store.objects.visible_to(actor).filter(pk=int(asked)).first() if asked.isdigit() and len(asked) < 10 else None
    )


def shell(request: HttpRequest) -> dict[str, Any]:
    return {"shell": shell_of(access.actor_of(request)), "nav_current": "goods", "now": clock.now()}


@never_cache
@require_GET
@access.roles(*WHO)
@limits.by("search", given="q")
def goods(request: HttpRequest) -> HttpResponse:
    """货品: what somebody types or narrows to, the newest first; the next page for htmx."""
    actor, now = access.actor_of(request), clock.now()
    words = request.GET.get("q", "").strip()[:50]
    filters = Filters({key: request.GET.get(key, "")[:32] for key in NARROWED if request.GET.get(key)})
    rows = find_goods(words, actor, filters=filters)
    after = request.GET.get("after", "")
    if not words and after.isdigit() and len(after) < 12:
        rows = rows.filter(pk__lt=int(after))
    most = FOUND_MOST if words else PAGE
    found = list(rows[: most + 1])
    store = store_of(request)
    shown = found[:most]
    totals = totals_of([one.pk for one in shown], store.pk, now=now) if store else None
    context = shell(request) | {
        "cards": showing.cards(shown, store=store, totals=totals, now=now), "q": words, "filters": filters.values, "store": store,
        "next": shown[-1].pk if len(found) > most and not words else None, "too_many": bool(words) and len(found) > most,
        "narrowed": urlencode(filters.values), "choices": _choices(filters.values), "is_first": not after,
        "in_store": actor.has_role(*IN_STORE),
    }  # fmt: skip
    if hx.is_htmx(request):
        return render(request, "goods/rows.html", context)
    return render(request, "goods/list.html", context | _counts(actor))


def _choices(chosen: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what one may narrow by: the kinds of goods first, then the values of the other columns."""
    tags = {tag.key: tag for tag in ProductTag.objects.filter(key__in=NARROWED)}
    return [
        {"key": key, "name": tags[key].name, "values": tags[key].values, "value": chosen.get(key, "")}
        for key in NARROWED
        if key in tags
    ]


def _counts(actor: Actor) -> dict[str, int]:
    """Return how much waits in this store: pieces kept, and requests of others to answer."""
    if not actor.has_role(*IN_STORE):
        return {"kept_count": 0, "asked_count": 0}
    mine = TransferRequest.objects.answerable_by(actor)
    return {
        "kept_count": Reservation.objects.visible_to(actor).holding().filter(store_id=actor.store_id or 0).count(),
        "asked_count": mine.filter(state__in=(TransferRequest.State.ASKED, TransferRequest.State.AGREED)).count(),
    }


@never_cache
@require_GET
@access.roles(*WHO)
def style(request: HttpRequest, pk: int) -> HttpResponse:
    """One style-colour: its sizes here and elsewhere, what it costs, what to say of it."""
    one = get_object_or_404(StyleColor, pk=pk)
    return render(request, "goods/style.html", style_facts(request, one) | shell(request))


def style_facts(request: HttpRequest, one: StyleColor, *, size: str = "") -> dict[str, Any]:
    """Return what the page of a style shows; `?size=` is the size one asks about, `?member=` for whom."""
    actor, now, store = access.actor_of(request), clock.now(), store_of(request)
    stock = stock_by_size(one, store=store, actor=actor, now=now)
    size = request.GET.get("size", size)
    if size not in stock.skus:
        size = next((s for s in stock.sizes if stock.own and stock.own.sizes.get(s)), next(iter(stock.sizes), ""))
    price = price_of_styles([one.pk], store=store, at=now).get(one.pk)
    member = _member(actor, request.GET.get("member", ""))
    return {
        "style": one, "stock": stock, "size": size, "size_word": showing.size_word(size), "sku_id": stock.skus.get(size),
        "cells": showing.size_cells(stock, size), "places": showing.places_of(stock, size) if size else [],
        "here": stock.own.sizes.get(size, 0) if stock.own else 0, "coming": stock.own.in_transit.get(size, 0) if stock.own else 0,
        "kept": stock.own.kept.get(size, 0) if stock.own else 0,
        "colors": [{"style": other, "dot": showing.DOTS.get(other.color_family, "#8F887C")} for other in goods_of(one.style_no)],
        "price": price, "care": showing.care_tips().get(one.care_key, ""), "tags": tags_of(one), "style_word": showing.STYLE_WORDS.get(one.style_tag, ""),
        "pictures": files.of(showing.ROOM, [one.pk]).get(one.pk, []), "store": store, "member": member,
        "untils": [(key, words) for key, (_days, words) in showing.UNTIL.items()],
        "may_act": bool(store) and actor.has_role(*IN_STORE) and store is not None and store.pk == actor.store_id,
    }  # fmt: skip


def _member(actor: Actor, public_id: str) -> Member | None:
    if not re.fullmatch(r"[0-9a-f-]{36}", public_id):
        return None
    return Member.objects.visible_to(actor).filter(public_id=public_id).first()


@never_cache
@require_GET
@access.roles(*WHO)
def far(request: HttpRequest, pk: int) -> HttpResponse:
    """Who in the country has a size, when nobody near has: a part of the page of a style."""
    one, store = get_object_or_404(StyleColor, pk=pk), store_of(request)
    sku = one.skus.filter(size=request.GET.get("size", "")[:16]).first()
    if sku is None or store is None or not access.actor_of(request).has_role(*matrix.exactly(READ, "all", "count")):
        raise NotFound()
    places = far_stores(sku.pk, one, sku.size, store=store, now=clock.now())
    actor = access.actor_of(request)
    member = _member(actor, request.GET.get("member", ""))
    context = {
        "far": places, "style": one, "size": sku.size, "sku_id": sku.pk, "may_act": store.pk == actor.store_id,
        "for_member": member.public_id if member else "",
    }  # fmt: skip
    return render(request, "goods/part_far.html", shell(request) | context)


@never_cache
@require_GET
@access.roles(*WHO)
def scanned(request: HttpRequest) -> HttpResponse:
    """What a scanner read: the code of a piece, of a size, or of a style; leads to its page, or says that nobody knows it."""
    text = request.GET.get("code", "").strip()[:200]
    item = item_of(text)
    if item is not None:
        return HttpResponseRedirect(reverse("crm:goods-item", args=[item.code]))
    if sku := sku_of(text):
        return HttpResponseRedirect(
            f"{reverse('crm:goods-style', args=[sku.style_id])}?{urlencode({'size': sku.size})}"
        )
    found = list(find_goods(text, access.actor_of(request))[:2]) if text and "://" not in text else []
    if len(found) == 1:
        return HttpResponseRedirect(reverse("crm:goods-style", args=[found[0].pk]))
    if not found:
        hx.flash(request, str(_("没有这个码：%(code)s") % {"code": text[:32]}))
    return HttpResponseRedirect(
        f"{reverse('crm:goods')}?{urlencode({'q': text[:50]})}" if found else reverse("crm:goods")
    )


@never_cache
@require_GET
@access.roles(*WHO)
def item(request: HttpRequest, code: str) -> HttpResponse:
    """One piece as staff see it: whether it is sold and registered, and all of its style. Whose it is stands on his card."""
    piece = item_of(code)
    if piece is None:
        raise NotFound()
    facts = style_facts(request, piece.sku.style, size=piece.sku.size) | shell(request)
    return render(
        request, "goods/style.html", facts | {"item": piece, "owner": _owner(access.actor_of(request), piece)}
    )


def _owner(actor: Actor, piece: ItemCode) -> Member | None:
    """Return whose a piece is, where the actor may open his card."""
    return Member.objects.visible_to(actor).filter(pk=piece.member_id).first() if piece.member_id else None


nav.add("guide", key="goods", label="货品", icon="shirt", url="crm:goods", order=30)
nav.add("me", key="goods", label="查库存", icon="shirt", url="crm:goods", order=32, roles=("store_manager",))
nav.add("sidebar", key="goods", label="货品", icon="shirt", url="crm:goods", order=40)
