"""Whether orders still come in: a till that stops sending makes no error anywhere, only fewer tasks."""

from datetime import datetime, time, timedelta

from django.db import connection

from yejibao.core import clock, health
from yejibao.core.backup.tallies import register_tally

QUIET = timedelta(hours=3)
OPEN = (time(12), time(21, 30))  # a pause within these hours is one: at noon the morning's orders are there
BUSY_ORDERS = 200  # so many within a day before the newest one: a feed whose silence says something
BUSY = timedelta(days=1)

# Money of the till: must come out to the fen after a restore.
register_tally("orders: net_amount_fen", "SELECT coalesce(sum(net_amount_fen), 0) FROM crm_order")
register_tally("order lines: paid_fen", "SELECT coalesce(sum(paid_fen), 0) FROM crm_orderline")
register_tally("sale payments: amount_fen", "SELECT coalesce(sum(amount_fen), 0) FROM crm_salepayment")
register_tally("sale refunds: amount_fen", "SELECT coalesce(sum(amount_fen), 0) FROM crm_refundpart")


def _newest() -> tuple[datetime | None, datetime | None]:
    """Return when the newest order was stored, and the one BUSY_ORDERS before it. By the machine's clock."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH newest AS (SELECT id, created_at FROM crm_order ORDER BY id DESC LIMIT 1)
            SELECT created_at, (SELECT o.created_at FROM crm_order o WHERE o.id <= newest.id - %s ORDER BY o.id DESC LIMIT 1)
            FROM newest
            """,
            [BUSY_ORDERS],
        )
        return cursor.fetchone() or (None, None)


@health.sign("orders")
def orders(now: datetime) -> health.Facts:
    """When the newest order came, and whether a busy feed has been silent for hours of business."""
    last, before = _newest()
    here = clock.system_now()
    local = here.astimezone(clock.SHANGHAI).time()
    is_busy = last is not None and before is not None and last - before < BUSY
    is_silent = is_busy and last is not None and here - last > QUIET and OPEN[0] <= local < OPEN[1]
    arrived = health.by_product_clock(last, now)
    return {"state": "slow" if is_silent else "ok", "last_at": arrived, "since": arrived}


@health.gauge("yejibao_orders_age_seconds", "Seconds since the newest order was stored.")
def order_age(now: datetime) -> list[tuple[dict[str, str], float]]:
    last, _ = _newest()
    return [({}, (clock.system_now() - last).total_seconds())] if last else []
