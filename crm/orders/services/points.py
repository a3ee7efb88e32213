"""What orders are worth in points: the same facts for the feed, a file and our own till (models.yaml points_rules)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import connection

from crm.benefits import rules
from crm.benefits.services import OrderFacts, settle_orders
from crm.scoring.config import config
from yejibao.core import clock

# The level at payment: what the history says of that moment, or what the purchases before had earned by then, whichever is
# higher. A day's sales that come from a till at night so earn what they would have earned one by one.
_FACTS = """
    SELECT o.id, o.member_id, o.paid_on, CASE WHEN o.status = 'paid' THEN o.net_amount_fen ELSE 0 END, o.is_delivery,
           o.received_at,
           greatest(
               coalesce(
                   (SELECT c.to_level FROM crm_levelchange c WHERE c.member_id = o.member_id AND c.at < o.paid_at
                    ORDER BY c.at DESC, c.id DESC LIMIT 1),
                   (SELECT c.from_level FROM crm_levelchange c WHERE c.member_id = o.member_id ORDER BY c.at, c.id LIMIT 1),
                   m.member_level),
               (SELECT l.key FROM unnest(%(levels)s::text[], %(floors)s::bigint[]) AS l(key, floor)
                WHERE l.floor <= before.fen ORDER BY l.floor DESC LIMIT 1))
    FROM crm_order o JOIN crm_member m ON m.id = o.member_id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(p.net_amount_fen), 0) AS fen FROM crm_order p
        WHERE p.member_id = o.member_id AND (p.paid_at, p.id) < (o.paid_at, o.id) AND p.paid_on >= o.paid_on - %(days)s
              AND p.known_at IS NOT NULL AND p.status = 'paid' AND p.kind = ANY(%(kinds)s)
    ) before
    WHERE o.id = ANY(%(ids)s) AND o.known_at IS NOT NULL AND o.kind = ANY(%(kinds)s)
          AND NOT m.is_employee AND NOT m.is_test
"""


def settle_points(order_ids: Iterable[int], *, now: datetime) -> dict[str, int]:
    """Bring the points of these orders to what they are worth now, in the caller's transaction; again changes nothing.

    The caller holds the locks of the orders' members (crm/members/services/locking.py).
    """
    facts = _facts_of(sorted(set(order_ids)), now=now)
    return settle_orders(facts, now=now) if facts else {}


def _facts_of(order_ids: list[int], *, now: datetime) -> list[OrderFacts]:
    if not order_ids:
        return []
    values: dict[str, Any] = {
        "ids": order_ids,
        "kinds": list(config().purchase_kinds),
        "days": config().level_days,
        "levels": [level.key for level in rules.levels()],
        "floors": [level.min_fen for level in rules.levels()],
    }
    with connection.cursor() as cursor:
        cursor.execute(_FACTS, values)
        rows = cursor.fetchall()
    days = rules.member_days({row[2] for row in rows}, now=now)
    return [
        OrderFacts(
            subject=f"order:{order_id}",
            member_id=member_id,
            paid_on=paid_on,
            net_fen=net_fen,
            rate_tenths=rules.level_rule(level).rate_tenths,
            level=level,
            is_member_day=paid_on in days,
            usable_from=rules.usable_from(
                paid_on, is_delivery=is_delivery, received_on=clock.local_day(received_at) if received_at else None
            ),
        )
        for order_id, member_id, paid_on, net_fen, is_delivery, received_at, level in rows
    ]
