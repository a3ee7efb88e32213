"""What a guide sold: the figures of 今日's dark block, by the definitions of models.yaml (net_sales, attach_rate)."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tasks.cadences import moments
from yejibao.core import clock, reading, words

# A refund lowers the day it is made; goods come back within weeks, so older orders are not asked.
REFUNDS_REACH_BACK = timedelta(days=92)
NOT_SALES = ("top_up", "gift_card")


@dataclass(frozen=True, slots=True)
class Sales:
    """Net sales in fen. `attach_rate` is None without an order; `by_day` runs from the first of the month to today."""

    month_fen: int
    today_fen: int
    today_orders: int
    month_orders: int
    month_items: int
    by_day: tuple[int, ...]

    @property
    def attach_rate(self) -> float | None:
        return self.month_items / self.month_orders if self.month_orders else None

    @property
    def attach_words(self) -> str:
        return words.NOTHING if self.attach_rate is None else f"{self.attach_rate:.1f}"


# Orders without a guide (mall, live) are the owner guide's, as far as his store has them.
_SALES = f"""
WITH mine AS MATERIALIZED (
    SELECT o.id, o.paid_on, o.paid_fen, o.refunded_fen, o.status = 'paid' AND o.net_amount_fen > 0 AS counts
    FROM crm_order o
    WHERE o.guide_id = %(me)s AND o.paid_on BETWEEN %(back)s AND %(today)s AND o.status <> 'void'
      AND o.kind <> ALL(%(not_sales)s) AND o.known_at <= %(now)s
    UNION ALL
    SELECT o.id, o.paid_on, o.paid_fen, o.refunded_fen, o.status = 'paid' AND o.net_amount_fen > 0
    FROM crm_order o JOIN crm_member m ON m.id = o.member_id AND m.owner_guide_id = %(me)s
    WHERE o.store_id = %(store)s AND o.guide_id IS NULL AND o.paid_on BETWEEN %(back)s AND %(today)s AND o.status <> 'void'
      AND o.kind <> ALL(%(not_sales)s) AND o.known_at <= %(now)s
), moves AS (
    SELECT paid_on AS day, sum(paid_fen)::bigint AS fen, count(*) FILTER (WHERE counts) AS orders
    FROM mine WHERE paid_on >= %(first)s GROUP BY paid_on
    UNION ALL
    SELECT {moments.local_date("c.at")}, -sum(c.refund_fen)::bigint, 0
    FROM mine JOIN crm_orderchange c ON c.order_id = mine.id
    WHERE mine.refunded_fen > 0 AND c.known_at <= %(now)s AND {moments.local_date("c.at")} BETWEEN %(first)s AND %(today)s
    GROUP BY 1
)
SELECT day, sum(fen)::bigint, sum(orders)::int, 0 FROM moves GROUP BY day
UNION ALL
SELECT NULL, 0, 0, coalesce(sum(l.quantity - l.returned_quantity), 0)::int
FROM mine JOIN crm_orderline l ON l.order_id = mine.id
WHERE mine.paid_on >= %(first)s AND mine.counts AND l.paid_fen > 0 AND l.replaced_by_id IS NULL
"""


def own_sales(staff_id: int, *, store_id: int | None, now: datetime) -> Sales:
    """Return a guide's sales of this month up to now."""
    today = clock.local_day(now)
    first = today.replace(day=1)
    with reading.cursor() as cursor:
        cursor.execute(
            _SALES,
            {"me": staff_id, "store": store_id, "today": today, "first": first, "back": first - REFUNDS_REACH_BACK,
             "not_sales": list(NOT_SALES), "now": now},
        )  # fmt: skip
        rows: list[tuple[date | None, int, int, int]] = cursor.fetchall()
    days = {day: (fen, orders) for day, fen, orders, _ in rows if day}
    by_day = tuple(days.get(first + timedelta(days=number), (0, 0))[0] for number in range(today.day))
    return Sales(
        month_fen=sum(by_day),
        today_fen=by_day[-1],
        today_orders=days.get(today, (0, 0))[1],
        month_orders=sum(orders for _, orders in days.values()),
        month_items=sum(items for *_, items in rows),
        by_day=by_day,
    )
