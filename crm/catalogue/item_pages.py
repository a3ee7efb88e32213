"""一物一码 as a member sees it: /i/<code>/ tells of the piece; its first scan after the sale makes it his."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from crm.members.models import Member
from yejibao.core import access, clock, files, hx, idempotency, limits
from yejibao.core.errors import NotFound
from yejibao.core.panels import render as render_panels
from yejibao.core.scope import Actor

from . import showing
from .item_models import ItemCode
from .queries import Price, StyleStock, goods_of, price_of_styles, stock_by_size
from .services import ask_for, item_of, register_piece

NEAR_SHOWN = 3
FRESH, MINE, TAKEN = "fresh", "mine", "taken"  # what a piece is to who looks at it


def piece_of(code: str) -> ItemCode:
    """Return the piece of a code that was scanned or typed. Raises NotFound."""
    found = item_of(code)
    if found is None:
        raise NotFound(_("这个码查不到。可以把吊牌拍给您的专属导购看看。"))
    return found


@never_cache
@require_GET
@access.anonymous("whoever holds a garment may read what it is; whose it is stands nowhere on the page")
@limits.by("search")
def item(request: HttpRequest, code: str) -> HttpResponse:
    """Story, care, what goes with it, where it is in stock; 登记 for who bought it."""
    piece, now, actor = piece_of(code), clock.now(), access.actor_of(request)
    style = piece.sku.style
    member = Member.objects.filter(pk=actor.member_id).select_related("main_store").first() if actor.member_id else None
    store = (member.main_store if member else None) or piece.sold_in
    stock = stock_by_size(style, store=store, actor=Actor.system("item-code"), now=now)
    price = price_of_styles([style.pk], store=store, at=now).get(style.pk, Price(style.price_fen))
    what = what_it_is(piece, actor)
    buyer = None if what == MINE else member
    facts: dict[str, Any] = {
        "item": piece, "style": style, "size_word": showing.size_word(piece.sku.size), "store": store, "member": member, "now": now,
        "price": price,
        "care": showing.care_tips().get(style.care_key, ""), "style_word": showing.STYLE_WORDS.get(style.style_tag, ""),
        "colors": [{"style": one, "dot": showing.DOTS.get(one.color_family, "#8F887C")} for one in goods_of(style.style_no)],
        "has_photo": bool(files.of(showing.ROOM, [style.pk])), "what": what,
        "near": _near(stock, piece), "sizes": showing.size_cells(stock, piece.sku.size),
        "buying": render_panels("item-top", request, code=piece.code, style=style, member=buyer, size=piece.sku.size, stock=stock, price=price),
        "rooms": render_panels("item", request, item=piece, style=style, member=member, now=now),
    }  # fmt: skip
    return render(request, "goods/item.html", facts)


def what_it_is(piece: ItemCode, actor: Actor) -> str:
    """Return what the piece is to the one who looks: nobody's yet, his, or registered to somebody."""
    if piece.registered_at is None:
        return FRESH
    return MINE if actor.member_id and piece.member_id == actor.member_id else TAKEN


def _near(stock: StyleStock, piece: ItemCode) -> list[dict[str, str]]:
    """Return where the size is to be had, without numbers: how much lies in a store is no customer's matter."""
    size = piece.sku.size
    here = [stock.own] if stock.own and stock.own.sizes.get(size) else []
    return [
        {"name": place.name, "away": place.away if place is not stock.own else str(_("您常去的门店"))}
        for place in [*here, *(one for one in stock.near if one.sizes.get(size))][:NEAR_SHOWN]
    ]


@require_POST
@access.member
@limits.by("search")
def register(request: HttpRequest, code: str) -> HttpResponse:
    """这件是我的: written down once; a second person learns that it is registered, and nothing more."""
    piece, actor = piece_of(code), access.actor_of(request)
    member = Member.objects.get(pk=actor.member_id or 0)

    def work() -> dict[str, Any]:
        return {"item": register_piece(piece.code, member, actor=actor, now=clock.now()).pk}

    idempotency.once(request, {"item": piece.pk}, work)
    hx.flash(request, str(_("登记好了，洗护和改衣都认这一件。")))
    return HttpResponseRedirect(reverse("crm:item", args=[piece.code]))


@require_POST
@access.member
@limits.by("search")
def ask(request: HttpRequest, code: str) -> HttpResponse:
    """想要这件: his own guide hears of it, and finds where it is."""
    piece, actor = piece_of(code), access.actor_of(request)
    member = Member.objects.get(pk=actor.member_id or 0)

    def work() -> dict[str, Any]:
        guide = ask_for(piece.sku, member, actor=actor, now=clock.now())
        return {"guide": guide.display_name or guide.name}

    answer, _replayed = idempotency.once(request, {"ask": piece.pk}, work)
    hx.flash(request, str(_("告诉%(guide)s了，她会在微信里回您。")) % answer)
    return HttpResponseRedirect(reverse("crm:item", args=[piece.code]))


@require_GET
@access.anonymous("the picture of a garment whose code one holds")
@limits.by("search")
def photo(request: HttpRequest, code: str) -> HttpResponse:
    """The first picture of the style."""
    style_id = piece_of(code).sku.style_id
    pictures = files.of(showing.ROOM, [style_id]).get(style_id, [])
    if not pictures:
        raise NotFound()
    return files.response_of(pictures[0], small=request.GET.get("small") == "1")
