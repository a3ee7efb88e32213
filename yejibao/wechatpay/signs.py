"""What the door to WeChat Pay tells of itself: open orders and refunds, notices, and what a person has to look at."""

from datetime import datetime

from django.db import connection

from yejibao.core import health
from yejibao.core.backup.tallies import register_tally

register_tally("payments: amount_fen", "SELECT coalesce(sum(amount_fen), 0) FROM wechatpay_payorder")
register_tally("payments: refunds_fen", "SELECT coalesce(sum(amount_fen), 0) FROM wechatpay_payrefund")


@health.queue("payments")
def payments(now: datetime) -> list[health.Queue]:
    """Orders and refunds that are due to be asked for, and notices that wait or were set aside."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT 'orders', count(*), min(next_look_at), 0, NULL::timestamptz
            FROM (SELECT next_look_at FROM wechatpay_payorder WHERE next_look_at <= %(now)s LIMIT %(most)s) due
            UNION ALL
            SELECT 'refunds', (SELECT count(*) FROM (SELECT 1 FROM wechatpay_payrefund WHERE next_try_at <= %(now)s LIMIT %(most)s) d),
                (SELECT min(next_try_at) FROM wechatpay_payrefund WHERE next_try_at <= %(now)s), count(*), min(created_at)
            FROM (SELECT created_at FROM wechatpay_payrefund WHERE state IN ('abnormal', 'closed') ORDER BY id DESC LIMIT %(most)s) stuck
            UNION ALL
            SELECT 'notices', (SELECT count(*) FROM (SELECT 1 FROM wechatpay_paynotice WHERE state = 'waiting' AND next_at <= %(now)s LIMIT %(most)s) d),
                (SELECT min(next_at) FROM wechatpay_paynotice WHERE state = 'waiting' AND next_at <= %(now)s), count(*), min(received_at)
            FROM (SELECT received_at FROM wechatpay_paynotice WHERE state = 'parked' ORDER BY id DESC LIMIT %(most)s) aside
            """,
            {"now": now, "most": health.COUNTED},
        )
        return [
            health.Queue(kind, due, oldest, parked=aside, aside_since=since)
            for kind, due, oldest, aside, since in cursor.fetchall()
        ]
