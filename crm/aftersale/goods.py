"""换款: what else he might have for it, with what lies in the store now and what is to pay or comes back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from crm.catalogue.models import Sku, StyleColor
from crm.catalogue.outfits.wardrobe import sizes_of
from crm.catalogue.queries import Filters, available, find_goods, in_warehouses, price_of_styles, stock_by_size
from crm.catalogue.sizes import place_of
from crm.catalogue.stock_models import Reservation, TransferRequest
from crm.members.models import Member
from crm.orders.models import OrderLine
from guides.org.models import Store
from yejibao.core.scope import Actor

SHOWN = 8


@dataclass(frozen=True)
class Size:
    """One size of a style: pieces free in the store, pieces in warehouses (three days)."""

    code: str
    size: str
    here: int
    away: int
    is_his: bool


@dataclass(frozen=True)
class Instead:
    """A style he might take; `difference_fen` is what he adds (+) or gets back (−), before his card and coupons."""

    style: StyleColor
    price_fen: int
    difference_fen: int
    sizes: tuple[Size, ...]

    @property
    def here(self) -> int:
        return sum(size.here for size in self.sizes)


def goods_instead(
    query: str, *, line: OrderLine, member: Member, store: Store, actor: Actor, now: datetime, is_faulty: bool = False,
    with_absent: bool = False,
) -> list[Instead]:  # fmt: skip
    """Return styles for a piece that goes back: what is typed, else its own in other sizes and the same kind.

    What lies here first; of the same style another size costs what he paid, and for a fault the very same is taken.
    `with_absent`: of its own style also the sizes that neither the store nor a warehouse has; another store may. Eight statements.
    """
    was = StyleColor.objects.filter(sku_code=line.sku_code).first()
    alike = Filters({"category_l2": was.category_l2}) if was and not query.strip() else None
    found = list(find_goods(query, actor, filters=alike)[: 3 * SHOWN])
    if alike and was:
        found = [was, *(one for one in found if one != was)]
    prices = price_of_styles([one.pk for one in found], store=store, at=now)
    his = sizes_of(member, now=now)
    sizes = _sizes([one.pk for one in found], member=member, store=store, now=now)
    worth = line.paid_fen // max(line.quantity, 1)
    rows = []
    for style in found:
        known = his.get(style.category_l1)
        price = prices[style.pk].fen if style.pk in prices else style.price_fen
        kept = [
            Size(sku.code, sku.size, here, away, known is not None and known.size == sku.size)
            for sku, here, away in sizes.get(style.pk, [])
            if (here or away or (with_absent and style == was)) and (style != was or sku.size != line.size or is_faulty)
        ]
        if style == was:
            price = worth
        rows.append(Instead(style, price, price - worth, tuple(sorted(kept, key=lambda one: place_of(one.size)))))
    # Sorting keeps the order of finding among what lies here, and what does not.
    return sorted((row for row in rows if row.sizes), key=lambda row: not row.here)[:SHOWN]


@dataclass(frozen=True)
class Source:
    """A place that has what is not here; `key` is how a form names it."""

    key: str
    name: str
    away: str
    count: int


def sources_of(sku: Sku, *, store: Store, actor: Actor, now: datetime) -> list[Source]:
    """Return who else has a size, the nearest stores first, then warehouses. Five statements."""
    found = stock_by_size(sku.style, store=store, actor=actor, now=now).elsewhere(sku.size)
    return [Source(f"{one.kind}:{one.place_id}", one.name, one.away, one.sizes[sku.size]) for one in found[:SHOWN]]


def asked_elsewhere(sku: Sku, *, store: Store, member: Member) -> TransferRequest | None:
    """Return the request for a size for this member that is not over. One statement."""
    rows = TransferRequest.objects.filter(sku=sku, to_store=store, member=member, state__in=TransferRequest.OPEN)
    return rows.select_related("from_store", "from_warehouse").order_by("-pk").first()


def here_for(member: Member, sku_ids: Collection[int], *, store: Store, now: datetime) -> Counter[int]:
    """Return sku → pieces he may take in a store: what is free, and what is kept for him. Two statements."""
    found = Counter({sku: free for (_store, sku), free in available(sku_ids, [store.pk], now=now).items()})
    kept = Reservation.objects.holding().filter(member=member, store=store, sku__in=sku_ids)
    for sku, quantity in kept.values_list("sku_id", "quantity"):
        found[sku] += quantity
    return found


def _sizes(
    style_ids: Collection[int], *, member: Member, store: Store, now: datetime
) -> dict[int, list[tuple[Sku, int, int]]]:
    skus = list(Sku.objects.filter(style_id__in=style_ids))
    ids = [sku.pk for sku in skus]
    here, away = here_for(member, ids, store=store, now=now), in_warehouses(ids, now=now)
    found: dict[int, list[tuple[Sku, int, int]]] = {}
    for sku in skus:
        found.setdefault(sku.style_id, []).append((sku, here[sku.pk], away.get(sku.pk, 0)))
    return found
