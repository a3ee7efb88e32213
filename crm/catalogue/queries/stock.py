"""Where pieces are now: the feed's number, what came and went since, and what is promised.

A place has of a size what the feed said at its `as_of`, plus our own movements after that moment. Free is what of it is
neither kept for a member nor agreed to go elsewhere. Nobody's stock is shown below nothing: a till may sell what the books
do not have.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from guides.org.models import Store
from yejibao.core import clock
from yejibao.core.scope import Actor

from ..models import StyleColor
from ..sizes import place_of
from ..stock_models import StockLevel
from .places import Near, near_stores

# By index for each size at each place: crm_stocklevel (store, style) or (style, size, …), crm_stockmovement (sku, place, at),
# the open promises (sku, store). With 1.4 million levels, 400,000 movements and 20,000 promises a style in 31 stores takes
# 0.8 ms, and the nearest twenty of 3,000 stores that have a size 2.2 ms. Warehouses keep nothing for members.
_LEVELS = """
SELECT level.{place}_id, sku.id, level.quantity + coalesce(moved.change, 0) AS on_hand,
    coalesce(held.pieces, 0) + coalesce(agreed.pieces, 0) AS promised, level.in_transit, level.as_of, level.style_id
FROM crm_stocklevel level JOIN crm_sku sku ON sku.style_id = level.style_id AND sku.size = level.size
LEFT JOIN LATERAL (
    SELECT sum(m.change)::int AS change FROM crm_stockmovement m
    WHERE m.sku_id = sku.id AND m.{place}_id = level.{place}_id AND m.at > level.as_of
) moved ON true
LEFT JOIN LATERAL (
    SELECT sum(r.quantity)::int AS pieces FROM crm_reservation r
    WHERE r.sku_id = sku.id AND r.store_id = level.store_id AND r.state = 'held' AND r.until > %(now)s
) held ON true
LEFT JOIN LATERAL (
    SELECT sum(t.quantity)::int AS pieces FROM crm_transferrequest t
    WHERE t.sku_id = sku.id AND t.from_{place}_id = level.{place}_id AND t.state = 'agreed'
) agreed ON true
WHERE {where}
"""


@dataclass(frozen=True)
class Level:
    """What one place has of one size. `free` may be sold or promised; `on_hand` lies there."""

    place_id: int
    sku_id: int
    on_hand: int
    promised: int
    in_transit: int
    as_of: datetime
    style_id: int

    @property
    def free(self) -> int:
        return max(0, self.on_hand - self.promised)


def _levels(place: str, where: str, params: dict[str, Any]) -> list[Level]:
    with connection.cursor() as cursor:
        cursor.execute(_LEVELS.format(place=place, where=where), params)
        return [Level(*row) for row in cursor.fetchall()]


def free_at(
    sku_id: int, *, now: datetime, store_id: int | None = None, warehouse_id: int | None = None
) -> Level | None:
    """Return what one place has of one size; None where it was never heard of. What decides holds the row of the level."""
    place, pk = ("store", store_id) if store_id else ("warehouse", warehouse_id)
    where = f"sku.id = %(sku)s AND level.{place}_id = %(place)s"
    return next(iter(_levels(place, where, {"sku": sku_id, "place": pk, "now": now})), None)


def available(
    sku_ids: Collection[int], store_ids: Collection[int], *, now: datetime | None = None
) -> dict[tuple[int, int], int]:
    """Return (store, sku) → pieces that may be sold or promised there now. What is not named there is none. One statement."""
    where = "sku.id = ANY(%(skus)s) AND level.store_id = ANY(%(stores)s)"
    params = {"skus": list(sku_ids), "stores": list(store_ids), "now": now or clock.now()}
    return {(one.place_id, one.sku_id): one.free for one in _levels("store", where, params) if one.free}


def in_warehouses(sku_ids: Collection[int], *, now: datetime | None = None) -> dict[int, int]:
    """Return sku → pieces of it that are free in warehouses, all together. What is not named there is none. One statement."""
    where = "sku.id = ANY(%(skus)s) AND level.warehouse_id IS NOT NULL"
    found: dict[int, int] = defaultdict(int)
    for one in _levels("warehouse", where, {"skus": list(sku_ids), "now": now or clock.now()}):
        found[one.sku_id] += one.free
    return {sku: pieces for sku, pieces in found.items() if pieces}


def totals_of(style_ids: Collection[int], store_id: int, *, now: datetime) -> dict[int, int]:
    """Return how many free pieces a store has of each of these style-colours, all sizes together. One statement."""
    totals: dict[int, int] = defaultdict(int)
    where = "level.store_id = %(store)s AND level.style_id = ANY(%(styles)s)"
    for level in _levels("store", where, {"store": store_id, "styles": list(style_ids), "now": now}):
        totals[level.style_id] += level.free
    return totals


# ---------------------------------------------------------------- one style, seen from a store


@dataclass(frozen=True)
class PlaceStock:
    """What one place has of a style: free pieces by size."""

    kind: str  # own | near | warehouse
    place_id: int
    name: str
    city: str = ""
    metres: int | None = None
    sizes: dict[str, int] = field(default_factory=dict)
    in_transit: dict[str, int] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)  # lies there, but is promised
    as_of: datetime | None = None

    @property
    def total(self) -> int:
        return sum(self.sizes.values())

    @property
    def away(self) -> str:
        """Return how far it is, as one says it."""
        if self.metres is None:
            return self.city
        return f"{max(self.metres, 50) // 50 * 50} 米" if self.metres < 1000 else f"{self.metres / 1000:.1f} 公里"


@dataclass(frozen=True)
class StyleStock:
    """A style's pieces by size: here, near, in warehouses. `skus` are all its sizes in order, with the id of each."""

    skus: dict[str, int]
    own: PlaceStock | None
    near: list[PlaceStock]
    warehouses: list[PlaceStock]
    as_of: datetime | None  # the oldest of what is shown

    @property
    def sizes(self) -> list[str]:
        return list(self.skus)

    def elsewhere(self, size: str) -> list[PlaceStock]:
        """Return who else has a size, the nearest first; the warehouses stand behind the stores."""
        return [place for place in (*self.near, *self.warehouses) if place.sizes.get(size)]


def stock_by_size(style: StyleColor, *, store: Store | None, actor: Actor, now: datetime) -> StyleStock:
    """Return a style-colour's stock as seen from a store: its own, the nearest ones that have any, the warehouses.

    A dealer sees his own stores only (access_matrix.yaml, stock.read). Five statements, however many stores there are.
    """
    skus = dict(sorted(style.skus.values_list("size", "pk"), key=lambda row: place_of(row[0])))
    sizes = {pk: size for size, pk in skus.items()}
    around = near_stores(store, day=clock.local_day(now))
    asked = [one.store_id for one in around] + ([store.pk] if store else [])
    params = {"style": style.pk, "stores": asked, "now": now}
    levels = _levels("store", "level.style_id = %(style)s AND level.store_id = ANY(%(stores)s)", params)
    seen = set(
        StockLevel.objects.countable_by(actor)
        .filter(store_id__in=asked, style=style)
        .values_list("store_id", flat=True)
    )
    by_store: dict[int, list[Level]] = defaultdict(list)
    for level in levels:
        if level.place_id in seen:
            by_store[level.place_id].append(level)
    own = _place("own", Near(store.pk, store.short_name, store.city, 0), by_store[store.pk], sizes) if store else None
    near = [_place("near", one, by_store[one.store_id], sizes) for one in around if by_store.get(one.store_id)]
    warehouses = _warehouses(style, sizes, actor=actor, now=now)
    shown = [place for place in (own, *near, *warehouses) if place is not None and place.as_of]
    return StyleStock(
        skus=skus,
        own=own,
        near=[place for place in near if place.total],
        warehouses=[place for place in warehouses if place.total or place.in_transit],
        as_of=min((place.as_of for place in shown if place.as_of), default=None),
    )


def _warehouses(style: StyleColor, sizes: dict[int, str], *, actor: Actor, now: datetime) -> list[PlaceStock]:
    levels = StockLevel.objects.countable_by(actor).filter(style=style, warehouse__is_active=True)
    known = {
        pk: Near(pk, name, city, None)
        for pk, name, city in levels.values_list("warehouse_id", "warehouse__name", "warehouse__city").distinct()
    }
    if not known:
        return []
    by_place: dict[int, list[Level]] = defaultdict(list)
    for level in _levels(
        "warehouse", "level.style_id = %(style)s AND level.warehouse_id IS NOT NULL", {"style": style.pk, "now": now}
    ):
        by_place[level.place_id].append(level)
    return [_place("warehouse", known[pk], by_place[pk], sizes) for pk in sorted(known) if by_place.get(pk)]


def _place(kind: str, near: Near, levels: Iterable[Level], sizes: dict[int, str]) -> PlaceStock:
    here = list(levels)
    return PlaceStock(
        kind=kind,
        place_id=near.store_id,
        name=near.name,
        city=near.city,
        metres=near.metres,
        sizes={sizes[one.sku_id]: one.free for one in here},
        in_transit={sizes[one.sku_id]: one.in_transit for one in here if one.in_transit},
        kept={sizes[one.sku_id]: one.promised for one in here if one.promised},
        as_of=min((one.as_of for one in here), default=None),
    )


FAR_MOST = 20
# Who in the country has this size, for when nobody near has: by (style, size), the nearest town first.
_FAR = """
SELECT level.store_id FROM crm_stocklevel level JOIN guides_store store ON store.id = level.store_id
    LEFT JOIN guides_storefence fence ON fence.store_id = store.id
WHERE level.style_id = %(style)s AND level.size = %(size)s AND level.quantity > 0 AND level.store_id <> %(store)s
    AND store.closed_on IS NULL
ORDER BY (fence.latitude - %(north)s) ^ 2 + (fence.longitude - %(east)s) ^ 2 NULLS LAST, level.quantity DESC, store.id LIMIT %(most)s
"""


def far_stores(sku_id: int, style: StyleColor, size: str, *, store: Store, now: datetime) -> list[PlaceStock]:
    """Return the stores that have a size wherever they are, the nearest first. For guides, who see all stores' numbers."""
    from guides.attendance.clockin.models import StoreFence

    here = StoreFence.objects.filter(store=store).first()
    with connection.cursor() as cursor:
        cursor.execute(
            _FAR,
            {
                "style": style.pk, "size": size, "store": store.pk, "most": FAR_MOST,
                "north": here.latitude if here else None, "east": here.longitude if here else None,
            },
        )  # fmt: skip
        ids = [row[0] for row in cursor.fetchall()]
    where = "sku.id = %(sku)s AND level.store_id = ANY(%(stores)s)"
    levels = {one.place_id: one for one in _levels("store", where, {"sku": sku_id, "stores": ids, "now": now})}
    names = {one.pk: one for one in Store.objects.filter(pk__in=ids)}
    return [
        _place("near", Near(pk, names[pk].short_name, names[pk].city, None), [levels[pk]], {sku_id: size})
        for pk in ids
        if pk in levels and levels[pk].free
    ]
