"""What the steps of 代客下单 share: whose order it is, and what is in it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse

from guides.org import matrix
from guides.org.pages import shell_of
from yejibao.core import access, clock
from yejibao.core.errors import NotFound

from ...checkout.models import Sale
from ...checkout.queries import Priced, on_hand
from ..queries import asked_for
from ..scoped import PROXY

SELLERS = matrix.holders(PROXY)
NO_COUPON = "none"


def shell(request: HttpRequest, **facts: Any) -> dict[str, Any]:
    return {"shell": shell_of(access.actor_of(request)), "nav_current": "goods", "now": clock.now()} | facts


def basket_to_fill(request: HttpRequest, public_id: UUID) -> Sale:
    """Return a basket of one's own that was not sent yet. Raises NotFound."""
    actor = access.actor_of(request)
    mine = Sale.objects.visible_to(actor).filter(
        channel=Sale.Channel.PROXY, guide_id=actor.staff_id or 0, public_id=public_id
    )
    sale = mine.select_related("store__unit", "guide", "member", "coupon").filter(member__isnull=False).first()
    if sale is None:
        raise NotFound()
    return sale


def counted(found: Priced, now: datetime) -> Priced:
    """Note on each line of a basket how many the store has of it, where that is too few: then another one has to send them first."""
    there = on_hand(found.sale, {line.sku_id for line in found.lines}, now=now)
    for line in found.lines:
        line.too_few = there[line.sku_id] if there[line.sku_id] < line.quantity else None  # type: ignore[attr-defined]
    few = [line for line in found.lines if line.too_few is not None]  # type: ignore[attr-defined]
    if few:
        asked = asked_for(found.sale, {line.sku_id for line in few}).select_related("from_store", "from_warehouse")
        coming = {one.sku_id: one for one in reversed(asked)}
        for line in few:
            line.coming = coming.get(line.sku_id)  # type: ignore[attr-defined]
    return found


def pay_page(sale: Sale, *, without_coupon: bool) -> str:
    return reverse("crm:proxy-pay", args=[sale.public_id]) + (f"?coupon={NO_COUPON}" if without_coupon else "")
