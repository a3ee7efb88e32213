"""Where pieces of a week hang in a member's size, and what they cost: set-based, whatever the week holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from crm.catalogue.models import Sku
from crm.catalogue.queries import Near, available, in_warehouses, near_stores, price_of_styles
from guides.org.models import Store
from yejibao.core import clock

NEAR = 6  # stores a guide would ring for one piece


@dataclass(frozen=True)
class Hanging:
    """How many of a piece there are in his size: here, in the nearest store that has it, in warehouses."""

    own: int = 0
    near: int = 0
    near_name: str = ""
    warehouse: int = 0

    @property
    def is_any(self) -> bool:
        return bool(self.own or self.near or self.warehouse)


def stores_near(store: Store | None, *, day: object) -> list[Near]:
    """Return the few stores one would ask next. Without a store nobody is near."""
    return near_stores(store, day=day, most=NEAR) if store else []  # type: ignore[arg-type]


def hanging(
    wanted: Mapping[int, str], *, store: Store | None, near: Sequence[Near], now: datetime | None = None
) -> dict[int, Hanging]:
    """Return where style-colours hang, by their id, each in the size wanted; "" asks for any size. Three statements."""
    skus = [
        (pk, style)
        for pk, style, size in Sku.objects.filter(style__in=list(wanted)).values_list("pk", "style_id", "size")
        if wanted[style] in ("", size)
    ]
    now = now or clock.now()
    ids = [pk for pk, _style in skus]
    places = [store.pk] if store else []
    free = available(ids, [*places, *(one.store_id for one in near)], now=now)
    stored = in_warehouses(ids, now=now)
    by_style: dict[int, list[int]] = defaultdict(list)
    for pk, style in skus:
        by_style[style].append(pk)
    found = {}
    for style in wanted:
        mine = by_style[style]
        own = sum(free.get((store.pk, sku), 0) for sku in mine) if store else 0
        has = next((one for one in near if any((one.store_id, sku) in free for sku in mine)), None)
        found[style] = Hanging(
            own=own,
            near=sum(free.get((has.store_id, sku), 0) for sku in mine) if has else 0,
            near_name=has.name if has else "",
            warehouse=sum(stored.get(sku, 0) for sku in mine),
        )
    return found


def prices(tags: Mapping[int, int], *, store: Store | None, at: datetime) -> dict[int, int]:
    """Return what style-colours cost in a store at a moment, in fen; `tags` are their ids with the tag price. One statement."""
    known = price_of_styles(list(tags), store=store, at=at)
    return {pk: known[pk].fen if pk in known else fen for pk, fen in tags.items()}
