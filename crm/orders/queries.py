"""Reads over orders for other rooms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from django.db import connection


@dataclass(frozen=True)
class BoughtLine:
    """One item a member bought and still has."""

    order_id: int
    paid_on: date
    store_id: int
    item_name: str
    color: str
    size: str
    family: str
    care_key: str
    sku_code: str
    quantity: int
    paid_fen: int


def recent_lines(member_ids: Collection[int], limit: int = 10) -> dict[int, list[BoughtLine]]:
    """Return the newest items per member that were not returned or exchanged away, at most `limit` each; one query."""
    if not member_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT m.id, item.* FROM unnest(%(members)s::bigint[]) AS m(id)
            CROSS JOIN LATERAL (
                SELECT o.id, o.paid_on, o.store_id, l.item_name, l.color, l.size, l.family, l.care_key, l.sku_code,
                       l.quantity - l.returned_quantity, l.paid_fen
                FROM crm_order o JOIN crm_orderline l ON l.order_id = o.id
                WHERE o.member_id = m.id AND o.status = 'paid' AND o.known_at IS NOT NULL
                  AND l.replaced_by_id IS NULL AND l.quantity > l.returned_quantity
                ORDER BY o.paid_at DESC, o.id DESC, l.paid_fen DESC, l.line_no LIMIT %(limit)s
            ) item
            """,
            {"members": list(member_ids), "limit": limit},
        )
        found: dict[int, list[BoughtLine]] = defaultdict(list)
        for member_id, *facts in cursor.fetchall():
            found[member_id].append(BoughtLine(*facts))
    return dict(found)
