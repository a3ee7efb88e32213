"""What the own store lacks of a basket is asked of who has it, by 调货: the basket waits for it, and is sent when it came."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext_lazy as _

from crm.catalogue import services as catalogue
from crm.catalogue.queries import stock_by_size
from crm.catalogue.services import OutOfStock
from crm.catalogue.stock_models import TransferRequest, Warehouse
from guides.org.models import Store
from yejibao.core.scope import Actor

from ...checkout.models import Sale, SaleLine
from ...checkout.queries import on_hand
from ...checkout.services.baskets import lock_basket
from ..queries import asked_for

# A basket with pieces on their way: until tomorrow to answer, three days to come, one to send it.
WAITS = timedelta(days=5)
MOST = 9  # of one request


@transaction.atomic
def ask_for_rest(sale: Sale, sku_id: int, *, key: str, actor: Actor, now: datetime) -> TransferRequest | None:
    """Ask the nearest place that has them for the pieces of a size that are in the basket and not in the store.

    None where nothing is missing that was not asked for already. Raises OutOfStock where nobody near has any, and what
    asking for a transfer says no to.
    """
    held = lock_basket(sale)
    line = SaleLine.objects.filter(sale=held, sku=sku_id, is_gift=False).select_related("sku__style").first()
    if line is None:
        return None
    coming = asked_for(held, [sku_id]).aggregate(pieces=Sum("quantity"))["pieces"] or 0
    missing = line.quantity - on_hand(held, {sku_id}, now=now)[sku_id] - coming
    if missing <= 0:
        return None
    size = line.sku.size
    places = stock_by_size(line.sku.style, store=held.store, actor=actor, now=now).elsewhere(size)
    if not places:
        raise OutOfStock(_("附近的店和仓库都没有%(name)s %(size)s") % {"name": line.sku.style.name, "size": size})
    place = next((one for one in places if one.sizes[size] >= missing), places[0])
    of_kind = Warehouse if place.kind == "warehouse" else Store
    asked = catalogue.ask_transfer(
        line.sku, source=of_kind.objects.get(pk=place.place_id), to_store=held.store, quantity=min(missing, place.sizes[size], MOST),
        member=held.member, key=key, actor=actor, now=now,
    )  # fmt: skip
    Sale.objects.filter(pk=held.pk).update(expires_at=now + WAITS)
    return asked
