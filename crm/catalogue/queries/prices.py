"""What goods cost in a store at a moment: the dated tag price, and the dated price below it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from guides.org.models import Store


@dataclass(frozen=True)
class Price:
    """What one piece costs before coupons and points. `promotion` is the name of the single-item price, where one holds."""

    tag_fen: int
    promotion_fen: int | None = None
    promotion: str = ""

    @property
    def fen(self) -> int:
        return self.tag_fen if self.promotion_fen is None else self.promotion_fen

    @property
    def saved_fen(self) -> int:
        return self.tag_fen - self.fen


# The narrowest place counts: the store, its kind, everywhere. At most one row of each holds at a moment, so the order is total.
# The feed's tag price is one for everywhere: a dated one for everywhere that began before the feed brought it has had its time.
# At a moment before that (what was offered then and is paid now) nobody knows the feed's former price: the dated one counts.
_DATED = """LEFT JOIN LATERAL (
    SELECT p.price_fen, p.name FROM crm_styleprice p
    WHERE p.style_id = style.id AND p.kind = '{kind}' AND p.during @> %(at)s{more}
        AND (p.store_id = %(store)s OR (p.store_id IS NULL AND p.store_kind IN ('', %(kind)s)))
    ORDER BY p.store_id IS NULL, p.store_kind = '' LIMIT 1
) {kind} ON true"""
_NOT_OVERTAKEN = """
        AND (p.store_id IS NOT NULL OR p.store_kind <> '' OR style.price_since IS NULL OR style.price_since > %(at)s
            OR lower(p.during) >= style.price_since)"""
_PRICES = f"""
SELECT {{key}}, coalesce(tag.price_fen, style.price_fen), promotion.price_fen, promotion.name
FROM {{rows}} {_DATED.format(kind="tag", more=_NOT_OVERTAKEN)} {_DATED.format(kind="promotion", more="")}
WHERE {{key}} = ANY(%(ids)s)
"""
_OF_SKUS = _PRICES.format(key="sku.id", rows="crm_sku sku JOIN crm_stylecolor style ON style.id = sku.style_id")
_OF_STYLES = _PRICES.format(key="style.id", rows="crm_stylecolor style")


def price_of(sku_ids: Collection[int], *, store: Store | None, at: datetime) -> dict[int, Price]:
    """Return what sizes cost, by their id. Without a store: what is sold nowhere in particular. One statement."""
    return _prices(_OF_SKUS, sku_ids, store, at)


def price_of_styles(style_ids: Collection[int], *, store: Store | None, at: datetime) -> dict[int, Price]:
    """Return what style-colours cost, by their id. One statement."""
    return _prices(_OF_STYLES, style_ids, store, at)


def _prices(sql: str, ids: Collection[int], store: Store | None, at: datetime) -> dict[int, Price]:
    params = {"ids": list(ids), "store": store.pk if store else None, "kind": store.kind if store else "", "at": at}
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        # A promotion that a lower tag price has overtaken is none.
        return {
            key: Price(tag, promotion, name or "") if promotion is not None and promotion < tag else Price(tag)
            for key, tag, promotion, name in cursor.fetchall()
        }
