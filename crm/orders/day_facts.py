"""What a guide sold on a day, for her work log: models.yaml net_sales and attach_rate. Imported when the department starts."""

from collections.abc import Collection
from datetime import date, datetime, time, timedelta

from django.db import connection

from guides.worklog.facts import fact
from yejibao.core import clock, words

NO_SALES = ["top_up", "gift_card"]  # "top-up is not sales"
REFUNDABLE_DAYS = 400  # older orders are not looked at for a refund of this day


@fact("net_sales", label="净销售额", order=10)
def net_sales(staff_ids: Collection[int], day: date, *, now: datetime) -> dict[int, str]:
    """Return what was paid on the day less what was refunded on it; nothing sold is ¥0."""
    starts = clock.local_moment(day, time())
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT person, sum(fen)::bigint FROM (
                SELECT o.guide_id AS person, o.paid_fen AS fen FROM crm_order o
                WHERE o.guide_id = ANY(%(staff)s) AND o.paid_on = %(day)s AND o.known_at IS NOT NULL
                  AND o.status <> 'void' AND o.kind <> ALL(%(no_sales)s)
                UNION ALL
                SELECT o.guide_id, -c.refund_fen FROM crm_order o JOIN crm_orderchange c ON c.order_id = o.id
                WHERE o.guide_id = ANY(%(staff)s) AND o.paid_on BETWEEN %(oldest)s AND %(day)s AND o.kind <> ALL(%(no_sales)s)
                  AND o.status <> 'void' AND c.kind = 'return' AND c.at >= %(starts)s AND c.at < %(ends)s
            ) booked GROUP BY person
            """,
            {
                "staff": list(staff_ids), "day": day, "no_sales": NO_SALES, "starts": starts,
                "ends": starts + timedelta(days=1), "oldest": day - timedelta(days=REFUNDABLE_DAYS),
            },
        )  # fmt: skip
        found = dict(cursor.fetchall())
    return {staff: words.yuan(found.get(staff, 0)) for staff in staff_ids}


@fact("attach_rate", label="连带率", order=60)
def attach_rate(staff_ids: Collection[int], day: date, *, now: datetime) -> dict[int, str]:
    """Return items an order, gifts and returned items out; a day without an order has none."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT o.guide_id, sum(l.quantity - l.returned_quantity), count(DISTINCT o.id)
            FROM crm_order o JOIN crm_orderline l ON l.order_id = o.id AND l.paid_fen > 0
            WHERE o.guide_id = ANY(%s) AND o.paid_on = %s AND o.known_at IS NOT NULL AND o.status = 'paid'
              AND o.kind <> ALL(%s)
            GROUP BY o.guide_id
            """,
            [list(staff_ids), day, NO_SALES],
        )
        return {staff: f"{items / orders:.1f}" for staff, items, orders in cursor.fetchall()}
