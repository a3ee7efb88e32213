"""买 what was scanned: a member pays for a garment on his own phone, in a size his store has, and fetches it there.

It is kept for him while he pays, as a guide's order is: two who scan the last one cannot both have it in hand.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from crm.catalogue import showing
from crm.catalogue.item_models import ItemCode
from crm.catalogue.item_pages import piece_of
from crm.catalogue.models import Sku, StyleColor
from crm.catalogue.queries import Price, StyleStock
from crm.catalogue.services import OutOfStock
from crm.members.models import Member
from crm.members.services import lock_members
from crm.orders.checkout import services as checkout
from crm.orders.checkout.models import Sale
from guides.notices.pushing import tell_and_push
from guides.notices.services import Notice
from yejibao.core import access, clock, hx, idempotency, limits, words
from yejibao.core.errors import Conflict
from yejibao.core.panels import Answer, panel
from yejibao.core.scope import Actor

from .begun import KEPT_MINUTES, kept_until, offer_and_keep, open_sales
from .looks import NoStore
from .places import member_of
from .queries import own_guide


class NotInStock(Conflict):
    code, title = "item.not_in_stock", _("您常去的店没有这个码了，请导购帮您调")


@transaction.atomic
def buy_scanned(piece: ItemCode, member: Member, *, size: str, actor: Actor, now: datetime) -> Sale:
    """Make a sale of one size of a garment, kept for him while he pays; in the size he holds it is that very piece.

    Again, while one is open, is the same sale. His guide is told. Raises NoStore, NotInStock.
    """
    store, style = member.main_store, piece.sku.style
    if store is None:
        raise NoStore()
    lock_members([member.pk])  # of two taps the second finds the sale of the first
    if (begun := open_sales(member, now=now, style=style, size=size).first()) is not None:
        return begun
    sku = Sku.objects.filter(style=style, size=size).first()
    if sku is None:
        raise NotInStock()
    guide = own_guide(member)
    sale = checkout.start_sale(
        channel=Sale.Channel.MALL, store=store, guide=guide, member=member, actor=actor, now=now
    )  # fmt: skip
    if sku.pk == piece.sku_id:
        sale = checkout.add_piece(sale, piece, actor=actor, now=now)
    else:
        sale = checkout.add_lines(sale, [(sku.code, 1)], actor=actor, now=now)
    try:
        sale = offer_and_keep(sale, actor=actor, now=now)
    except OutOfStock:
        raise NotInStock() from None
    if guide is not None:
        _tell(guide.pk, member, sku, style, until=kept_until(now), now=now)
    return sale


def _tell(guide_id: int, member: Member, sku: Sku, style: StyleColor, *, until: datetime, now: datetime) -> None:
    there = reverse("crm:goods-style", args=[style.pk])
    asked = urlencode({"size": sku.size, "member": str(member.public_id)})
    notice = Notice(
        kind="member", key=f"scanned:{member.pk}:{sku.pk}", title=f"{member.name}在买{style.name}",
        text=f"{style.color} {sku.size}。他扫了衣服上的码，在自己手机上付，付好来店里取。给他留到 {words.clock_time(until)}，没付就放回去。", url=f"{there}?{asked}",
    )  # fmt: skip
    tell_and_push([(guide_id, notice)], now=now)


@require_POST
@access.member
@limits.by("money")
def buy(request: HttpRequest, code: str) -> HttpResponse:
    """买这件: to the page where he sees the price, chooses a coupon and pays."""
    piece, member, size = piece_of(code), member_of(request), request.POST.get("size", "")[:16]
    idempotency.must_have_key(request)

    def work() -> dict[str, Any]:
        sale = buy_scanned(piece, member, size=size, actor=access.actor_of(request), now=clock.now())
        return {"sale": str(sale.public_id)}

    answer, _replayed = idempotency.once(request, {"buy": piece.pk, "size": size}, work)
    there = reverse("crm:my-pay", args=[answer["sale"]])
    return hx.redirect(there) if hx.is_htmx(request) else HttpResponseRedirect(there)


@panel("item-top", order=10, name="item-buy")
def buy_panel(
    request: HttpRequest, *, code: str, style: StyleColor, member: Member | None, size: str, stock: StyleStock, price: Price, **_: Any
) -> Answer:  # fmt: skip
    """买: the sizes his store has, the scanned one chosen; without any, or before he signed in, his guide is asked instead.

    What he has begun to pay stands first: it is kept for him, and may be the last one.
    """
    if member is None or member.main_store is None or stock.own is None or stock.own.place_id != member.main_store_id:
        return None
    if (begun := open_sales(member, now=clock.now(), style=style).first()) is not None:
        return "member/part_item_begun.html", {"sale": begun, "store": member.main_store, "now": clock.now()}
    here = [one for one in stock.sizes if stock.own.sizes.get(one)]
    if not here:
        return None
    facts = {
        "code": code, "style": style, "price": price, "store": member.main_store, "chosen": size if size in here else "",
        "sizes": [(one, showing.size_word(one)) for one in here], "minutes": KEPT_MINUTES.at(clock.now()),
    }  # fmt: skip
    return "member/part_item_buy.html", facts
