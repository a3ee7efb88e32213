"""What a guide sees of a member at one glance."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import connection

from crm.members.models import Member
from yejibao.core.clock import local_day


@dataclass(frozen=True)
class Card:
    """The figures of a member's card. Sizes: per family the commonest of his last three, else the newest."""

    sizes: dict[str, str]
    order_count_365: int
    spend_365_fen: int
    last_paid_on: date | None
    member_since: date | None


def card(member: Member, now: datetime) -> Card:
    """Return a member's sizes by family and his year (W365 of models.yaml), with one query."""
    today = local_day(now)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH mine AS (
                SELECT id, paid_at, paid_on, net_amount_fen FROM crm_order
                WHERE member_id = %(member)s AND status = 'paid' AND net_amount_fen > 0 AND known_at IS NOT NULL
                  AND kind IN ('retail', 'mall', 'proxy', 'live')
            ), items AS (
                SELECT l.family, l.size, row_number() OVER (
                           PARTITION BY l.family ORDER BY o.paid_at DESC, o.id DESC, l.line_no) AS place
                FROM mine o JOIN crm_orderline l ON l.order_id = o.id
                WHERE l.size <> '' AND l.family <> '' AND l.replaced_by_id IS NULL AND l.quantity > l.returned_quantity
            ), votes AS (
                SELECT family, size, count(*) AS times, min(place) AS newest FROM items WHERE place <= 3
                GROUP BY family, size
            ), chosen AS (
                SELECT DISTINCT ON (family) family, size FROM votes ORDER BY family, times DESC, newest
            )
            SELECT (SELECT coalesce(jsonb_object_agg(family, size), '{}') FROM chosen),
                   count(*) FILTER (WHERE paid_on >= %(since)s),
                   coalesce(sum(net_amount_fen) FILTER (WHERE paid_on >= %(since)s), 0),
                   max(paid_on), min(paid_on)
            FROM mine
            """,
            {"member": member.pk, "since": today - timedelta(days=365)},
        )
        sizes, count, spent, last, first = cursor.fetchone()
    since = local_day(member.registered_at) if member.registered_at else first
    return Card(json.loads(sizes) if isinstance(sizes, str) else sizes, count, int(spent), last, since)
