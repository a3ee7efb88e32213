"""What the pages of the till share: whose store, which sale, what a basket shows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _

from crm.benefits.rules import level_rule
from guides.org.models import Staff, Store
from guides.org.pages import shell_of
from yejibao.core import access, clock
from yejibao.core.errors import Forbidden, NotFound
from yejibao.core.scope import Actor

from ..models import Sale, SalePayment
from ..queries import Priced, coupon_choices, priced

WAYS = (
    (SalePayment.Way.WECHAT_CODE, "scan-barcode", _("扫他的付款码"), _("微信，对着他的手机扫")),
    (SalePayment.Way.WECHAT_NATIVE, "qr-code", _("他扫我的码"), _("微信，屏幕上出一个码")),
    (SalePayment.Way.CASH, "hand-coins", _("现金"), _("收好再点")),
    (SalePayment.Way.CARD, "wallet", _("刷卡"), _("在刷卡机上刷成功再点")),
)


def shell(request: HttpRequest) -> dict[str, Any]:
    return {"shell": shell_of(access.actor_of(request)), "nav_current": "today", "now": clock.now(), "on_till": True}


def own_store(actor: Actor) -> Store:
    """Return the store one sells in. Raises Forbidden for who works in none."""
    store = Store.objects.select_related("unit").filter(pk=actor.store_id).first() if actor.store_id else None
    if store is None:
        raise Forbidden(_("收银要在门店里。你还没有所属门店，请店长加上。"), permission="order.cashier")
    return store


def till_sale(request: HttpRequest, public_id: UUID) -> Sale:
    """Return a sale of this till. Raises NotFound for another store's, and for what is no till's."""
    actor = access.actor_of(request)
    mine = Sale.objects.visible_to(actor).filter(store_id=actor.store_id or 0, channel=Sale.Channel.TILL)
    sale = mine.select_related("store__unit", "guide", "member", "coupon", "order").filter(public_id=public_id).first()
    if sale is None:
        raise NotFound()
    return sale


def basket(request: HttpRequest, sale: Sale, **more: Any) -> HttpResponse:
    """Answer with the basket as it stands now: each touch of it asks for the whole part anew."""
    fresh = Sale.objects.select_related("store__unit", "guide", "member", "coupon").get(pk=sale.pk)
    return render(request, "till/part_basket.html", basket_facts(request, fresh, now=clock.now()) | more)


def basket_facts(request: HttpRequest, sale: Sale, *, now: datetime) -> dict[str, Any]:
    """Return what the page of a basket shows."""
    found = priced(sale, now=now)
    choices = coupon_choices(found, now=now)
    chosen = next((one for one in choices if one.coupon.pk == sale.coupon_id), None)
    quote = found.quote
    return shell(request) | {
        "sale": sale, "found": found, "quote": quote, "rows": rows_of(found, scanned_in(sale)), "choices": choices, "chosen": chosen,
        "best": next((one for one in choices if one.is_usable), None),
        "level": level_rule(sale.member.member_level) if sale.member else None,
        "colleagues": Staff.objects.employed().filter(store_id=sale.store_id).only("pk", "name").order_by("pk"),
        "count": sum(line.quantity for line in found.lines), "ways": WAYS, "points_after": found.means.points - quote.points,
        "wallet_after": found.means.wallet_fen - quote.wallet_fen,
    }  # fmt: skip


def scanned_in(sale: Sale) -> dict[int, list[str]]:
    """Return the ends of the codes that were scanned into a basket, by size."""
    found: dict[int, list[str]] = {}
    for sku_id, code in sale.scanned.order_by("pk").values_list("item__sku_id", "item__code"):
        found.setdefault(sku_id, []).append(code[-4:])
    return found


def rows_of(found: Priced, scanned: Mapping[int, list[str]]) -> list[dict[str, Any]]:
    """Return the lines of a basket as they are shown."""
    return [
        {
            "line": line, "sku": line.sku, "style": line.sku.style, "share": share, "why": found.price_names.get(line.line_no, ""),
            "each_fen": (share.tag_fen - share.item_off_fen) // share.quantity, "tag_each_fen": share.tag_fen // share.quantity,
            "scanned": [] if line.is_gift else scanned.get(line.sku_id, []),
        }
        for line, share in found.rows
    ]  # fmt: skip
