"""The SQL of counting: the book when it is frozen, what was scanned, what moved meanwhile, and the difference.

One statement each, however many pieces a store has. A piece with a code of its own counts once in a round; quantities of what
has only a size's code add up over places and people. What was sold or came back before the last scan of a size is expected to
be gone or there; between its first and last scan nobody knows, so that is said (`moved_between`) and is worth a recount.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection

from .models import Stocktake

# Pieces by size and round, with when each was first and last scanned. What is late or was taken back does not count.
COUNTED = """
    SELECT scan.sku_id, scan.round, count(DISTINCT scan.piece) FILTER (WHERE scan.piece <> '')
            + coalesce(sum(scan.quantity) FILTER (WHERE scan.piece = ''), 0) AS pieces,
        min(scan.scanned_at) AS first_at, max(scan.scanned_at) AS last_at
    FROM crm_stocktakescan scan
    WHERE scan.stocktake_id = %(stocktake)s AND scan.sku_id IS NOT NULL AND scan.voided_at IS NULL AND NOT scan.is_late
    GROUP BY scan.sku_id, scan.round
"""
IN_SCOPE = "(cardinality(%(categories)s::text[]) = 0 OR style.category_l1 = ANY(%(categories)s::text[]))"
# What a place has now: the feed's number and all we know since.
EXPECTED = """
    level.quantity + coalesce((SELECT sum(move.change) FROM crm_stockmovement move
        WHERE move.sku_id = sku.id AND move.store_id = level.store_id AND move.at > level.as_of AND move.at <= %(now)s), 0)
"""


def _run(sql: str, stocktake: Stocktake, now: datetime, **more: object) -> int:
    params: dict[str, Any] = {
        "stocktake": stocktake.pk, "store": stocktake.store_id, "categories": stocktake.categories, "now": now,
        "round": stocktake.round, "started_at": stocktake.started_at, **more,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.rowcount


def freeze_book(stocktake: Stocktake, *, now: datetime) -> int:
    """Write down what the store should have at this moment, by size. Returns how many sizes."""
    _run(  # a feed may name a size that no list of products had
        f"""
        INSERT INTO crm_sku (code, style_id, size, barcode)
        SELECT left(style.sku_code || '-' || level.size, 40), style.id, level.size, ''
        FROM crm_stocklevel level JOIN crm_stylecolor style ON style.id = level.style_id
        WHERE level.store_id = %(store)s AND {IN_SCOPE}
            AND NOT EXISTS (SELECT FROM crm_sku known WHERE known.style_id = style.id AND known.size = level.size)
        ORDER BY 1 ON CONFLICT DO NOTHING
        """,
        stocktake,
        now,
    )
    return _run(
        f"""
        INSERT INTO crm_stocktakeline (stocktake_id, sku_id, book, price_fen, round, moved, moved_between, drift, amount_fen,
            wants_recount, is_settled)
        SELECT %(stocktake)s, sku.id, {EXPECTED}, style.price_fen, 1, 0, 0, 0, 0, false, false
        FROM crm_stocklevel level JOIN crm_stylecolor style ON style.id = level.style_id
            JOIN crm_sku sku ON sku.style_id = style.id AND sku.size = level.size
        WHERE level.store_id = %(store)s AND {IN_SCOPE}
        """,
        stocktake,
        now,
    )


def count_lines(stocktake: Stocktake, *, until: datetime, now: datetime) -> int:
    """Hold what was scanned against the book: each size in the round whose count holds for it. Returns how many sizes.

    Sizes that were chosen for a recount take the running round's count from here on. `until`: when counting ended. Again is
    the same.
    """
    _run(  # what the book did not know of
        f"""
        INSERT INTO crm_stocktakeline (stocktake_id, sku_id, book, price_fen, round, moved, moved_between, drift, amount_fen,
            wants_recount, is_settled)
        SELECT DISTINCT %(stocktake)s::bigint, sku.id, 0, style.price_fen, 1, 0, 0, 0, 0::bigint, false, false
        FROM crm_stocktakescan scan JOIN crm_sku sku ON sku.id = scan.sku_id JOIN crm_stylecolor style ON style.id = sku.style_id
        WHERE scan.stocktake_id = %(stocktake)s AND scan.round = 1 AND scan.voided_at IS NULL AND NOT scan.is_late AND {IN_SCOPE}
        ORDER BY sku.id ON CONFLICT (stocktake_id, sku_id) DO NOTHING
        """,
        stocktake,
        now,
    )
    return _run(
        f"""
        WITH counted AS ({COUNTED}), found AS (
            SELECT line.id, held.round, coalesce(counted.pieces, 0) AS pieces, coalesce(moves.before, 0) AS moved,
                coalesce(moves.between, 0) AS between,
                coalesce({EXPECTED} - line.book - coalesce(moves.all_since, 0), 0) AS drift
            FROM crm_stocktakeline line JOIN crm_sku sku ON sku.id = line.sku_id
                CROSS JOIN LATERAL (SELECT CASE WHEN line.wants_recount THEN %(round)s ELSE line.round END AS round) held
                LEFT JOIN counted ON counted.sku_id = line.sku_id AND counted.round = held.round
                LEFT JOIN crm_stocklevel level ON level.style_id = sku.style_id AND level.size = sku.size
                    AND level.store_id = %(store)s
                LEFT JOIN LATERAL (
                    SELECT sum(move.change) AS all_since,
                        sum(move.change) FILTER (WHERE move.at <= coalesce(counted.last_at, %(until)s)) AS before,
                        sum(abs(move.change)) FILTER (WHERE move.at > counted.first_at AND move.at <= counted.last_at) AS between
                    FROM crm_stockmovement move
                    WHERE move.sku_id = line.sku_id AND move.store_id = %(store)s AND move.at > %(started_at)s AND move.at <= %(now)s
                ) moves ON true
            WHERE line.stocktake_id = %(stocktake)s
        )
        UPDATE crm_stocktakeline line SET
            first_counted = CASE WHEN line.round < found.round THEN line.counted ELSE line.first_counted END,
            round = found.round, wants_recount = false, counted = found.pieces, moved = found.moved,
            moved_between = found.between, drift = found.drift, difference = found.pieces - line.book - found.moved,
            amount_fen = abs(found.pieces - line.book - found.moved) * line.price_fen
        FROM found WHERE line.id = found.id
        """,
        stocktake,
        now,
        until=until,
    )
