"""How stores sell, for the reminders of patrols: models.yaml net_sales and the factors of its store_diagnosis."""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection

from guides.patrol.reminders.facts import Performance, supply
from guides.patrol.reminders.rules import RECENT_DAYS
from yejibao.core import clock

from .day_facts import NO_SALES

# Net amounts stand on the order they belong to: a refund lowers the day it was paid on. Close enough for a trend of weeks, and
# one statement over the index (store, paid_on).
_SALES = """
SELECT o.store_id,
    coalesce(sum(o.net_amount_fen) FILTER (WHERE o.paid_on >= %(month)s), 0)::bigint,
    coalesce(sum(o.net_amount_fen) FILTER (WHERE o.paid_on >= %(recent)s AND o.paid_on < %(today)s), 0)::bigint,
    coalesce(sum(o.net_amount_fen) FILTER (WHERE o.paid_on < %(last_until)s), 0)::bigint,
    count(*) FILTER (WHERE o.paid_on >= %(month)s)
FROM crm_order o
WHERE o.store_id = ANY(%(stores)s) AND o.known_at IS NOT NULL AND o.status = 'paid' AND o.kind <> ALL(%(no_sales)s)
  AND (o.paid_on >= least(%(month)s::date, %(recent)s::date) AND o.paid_on < %(today)s
       OR o.paid_on >= %(last_from)s AND o.paid_on < %(last_until)s)
GROUP BY o.store_id
"""
_ITEMS = """
SELECT o.store_id, sum(l.quantity - l.returned_quantity) FROM crm_order o
JOIN crm_orderline l ON l.order_id = o.id AND l.paid_fen > 0
WHERE o.store_id = ANY(%(stores)s) AND o.known_at IS NOT NULL AND o.status = 'paid' AND o.kind <> ALL(%(no_sales)s)
  AND o.paid_on >= %(month)s AND o.paid_on < %(today)s
GROUP BY o.store_id
"""
_VISITORS = """
SELECT store_id, sum(entered) FROM guides_footfall
WHERE store_id = ANY(%(stores)s) AND day >= %(month)s AND day < %(today)s GROUP BY store_id
"""


@supply("performance")
def performance(store_ids: Collection[int], *, now: datetime) -> dict[int, Performance]:
    """Return each store's month to the end of yesterday, and the last 14 days beside those of last year. Targets come later."""
    today = clock.local_day(now)
    recent = today - timedelta(days=RECENT_DAYS)
    facts: dict[str, Any] = {
        "stores": list(store_ids), "today": today, "month": today.replace(day=1), "recent": recent,
        "last_from": _year_before(recent), "last_until": _year_before(today), "no_sales": NO_SALES,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_VISITORS, facts)
        visitors = dict(cursor.fetchall())
        cursor.execute(_ITEMS, facts)
        items = dict(cursor.fetchall())
        cursor.execute(_SALES, facts)
        return {
            store: Performance(
                month_fen=month, recent_fen=fen, recent_last_year_fen=before, orders=orders,
                items=int(items.get(store) or 0), visitors=int(visitors[store]) if visitors.get(store) else None,
            )
            for store, month, fen, before, orders in cursor.fetchall()
        }  # fmt: skip


def _year_before(day: date) -> date:
    """Return the same day of last year; 29 February becomes the 28th."""
    try:
        return day.replace(year=day.year - 1)
    except ValueError:
        return day.replace(year=day.year - 1, day=28)
