"""Pieces that come and go between two feeds: sold, returned, sent, received, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import QuerySet

from crm.members.models import Member
from guides.org.models import Store
from yejibao.core.scope import Actor

from ..item_models import ItemCode
from ..models import Sku
from ..stock_models import Reservation, StockMovement, Warehouse

Line = tuple[Sku | int, int]
BEFORE = timedelta(microseconds=1)

# A place that was never in a feed has nothing from the moment before its first movement on.
_MAKE_LEVELS = """
INSERT INTO crm_stocklevel (store_id, warehouse_id, style_id, size, quantity, in_transit, as_of, source)
SELECT %(store)s, %(warehouse)s, sku.style_id, sku.size, 0, 0, %(before)s, 'movement' FROM crm_sku sku
WHERE sku.id = ANY(%(skus)s) ORDER BY sku.style_id, sku.size ON CONFLICT (style_id, size, store_id, warehouse_id) DO NOTHING
"""
_MOVE = """
INSERT INTO crm_stockmovement (sku_id, store_id, warehouse_id, change, kind, subject, key, at, by_id)
SELECT n.sku_id, %(store)s, %(warehouse)s, n.change, %(kind)s, %(subject)s, %(key)s, %(now)s, %(by)s
FROM unnest(%(skus)s::bigint[], %(changes)s::int[]) AS n(sku_id, change) ORDER BY n.sku_id
ON CONFLICT (key, sku_id, kind) DO NOTHING
"""


@transaction.atomic
def move(
    place: Store | Warehouse, lines: Iterable[Line], *, kind: str, subject: str, key: str, now: datetime, actor: Actor
) -> int:
    """Write what came to a place (+) or went (-), one row a size. The same key again writes nothing. Returns rows written.

    Nothing is refused for want of stock: who moved a piece had it in his hand, and the books follow.
    """
    changes: Counter[int] = Counter()
    for sku, change in lines:
        changes[sku if isinstance(sku, int) else sku.pk] += change
    moved = {sku: change for sku, change in sorted(changes.items()) if change}
    if not moved:
        return 0
    is_store = isinstance(place, Store)
    where = {"store": place.pk if is_store else None, "warehouse": None if is_store else place.pk, "skus": list(moved)}
    with connection.cursor() as cursor:
        cursor.execute(_MAKE_LEVELS, where | {"before": now - BEFORE})
        cursor.execute(
            _MOVE,
            where | {"changes": list(moved.values()), "kind": kind, "subject": subject[:64], "key": key[:64], "now": now, "by": actor.staff_id},
        )  # fmt: skip
        return cursor.rowcount


@transaction.atomic
def sold(
    store: Store,
    lines: Sequence[Line],
    *,
    subject: str,
    key: str,
    now: datetime,
    actor: Actor,
    member: Member | None = None,
    item_codes: Sequence[str] = (),
) -> int:
    """Take sold pieces off a store. What was kept there for this member is taken with it; scanned pieces have their buyer.

    The same key again changes nothing. A piece whose code is unknown or sold already is passed over: a till does not stop.
    """
    written = move(
        store,
        [(sku, -quantity) for sku, quantity in lines],
        kind=StockMovement.Kind.SOLD,
        subject=subject,
        key=key,
        now=now,
        actor=actor,
    )
    if not written:
        return 0
    skus = [sku if isinstance(sku, int) else sku.pk for sku, _ in lines]
    if member is not None:
        kept = Reservation.objects.holding().filter(store=store, member=member, sku__in=skus)
        kept.update(state=Reservation.State.TAKEN, ended_at=now)
    if item_codes:
        pieces = ItemCode.objects.filter(code__in=list(item_codes), sku__in=skus)
        sell_pieces(pieces, store, subject=subject, member=member, now=now)
    return written


@transaction.atomic
def returned(
    store: Store,
    lines: Sequence[Line],
    *,
    subject: str,
    key: str,
    now: datetime,
    actor: Actor,
    item_codes: Sequence[str] = (),
) -> int:
    """Bring returned pieces back to a store. A piece that came back by its code belongs to nobody again."""
    written = move(store, list(lines), kind=StockMovement.Kind.RETURNED, subject=subject, key=key, now=now, actor=actor)
    if written and item_codes:
        take_pieces_back(ItemCode.objects.filter(code__in=list(item_codes)))
    return written


def sell_pieces(
    pieces: QuerySet[ItemCode], store: Store, *, subject: str, member: Member | None, now: datetime
) -> int:  # fmt: skip
    """Write down that these very pieces went, and to whom. One that is sold already is passed over: a till does not stop."""
    return pieces.filter(sold_at=None).update(sold_at=now, sold_in=store, sale=subject[:64], member=member)


def take_pieces_back(pieces: QuerySet[ItemCode]) -> int:
    """Write down that these very pieces came back: they are nobody's again, and may be sold."""
    return pieces.filter(sold_at__isnull=False).update(
        sold_at=None, sold_in=None, sale="", member=None, registered_at=None
    )
