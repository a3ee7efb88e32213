"""Holds the bills against our books, one statement a pair; what does not fit comes out as rows.

A payment counts for the day on which the provider says it was paid, whenever we heard of it and booked it: so a notice after
midnight breaks nothing, and is told as money that crossed the night.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Any

from django.db import connection

from yejibao.core.clock import local_moment

from ..models import Break, FinanceDay

Kind, Source = Break.Kind, Break.Source
PROVIDER = "wechatpay"  # of the ledger's transfers

# Payments and refunds of the day as the orders have them; their legs of cash_wechat are found by the provider's number.
_OF_DAY = """
    SELECT 'pay' AS what, out_trade_no AS number, transaction_id AS pid, amount_fen AS fen, state
    FROM wechatpay_payorder WHERE paid_at >= %(since)s AND paid_at < %(until)s
    UNION ALL
    SELECT 'refund', out_refund_no, refund_id, -amount_fen, state
    FROM wechatpay_payrefund WHERE state = 'success' AND settled_at >= %(since)s AND settled_at < %(until)s
"""
_BILLED = """
    SELECT l.kind AS what, {name} AS name, sum(l.amount_fen)::bigint AS fen FROM crm_billline l JOIN crm_bill b ON b.id = l.bill_id
    WHERE b.day_id = %(day_id)s AND b.kind = '{bill}' AND l.kind IN ('pay', 'refund') GROUP BY 1, 2
"""
_TRADE = f"""
WITH ours AS ({_OF_DAY}), theirs AS ({_BILLED.format(name="l.number", bill="trade")})
SELECT coalesce(o.what, t.what), coalesce(o.number, t.name), o.fen, t.fen, coalesce(p.state, r.state, ''),
    coalesce(p.paid_at, r.settled_at)
FROM ours o FULL JOIN theirs t ON t.what = o.what AND t.name = o.number
LEFT JOIN wechatpay_payorder p ON o.number IS NULL AND t.what = 'pay' AND p.out_trade_no = t.name
LEFT JOIN wechatpay_payrefund r ON o.number IS NULL AND t.what = 'refund' AND r.out_refund_no = t.name
WHERE o.number IS NULL OR t.name IS NULL OR o.fen <> t.fen ORDER BY 1, 2
"""
_LEGS = """
    SELECT t.provider_txn AS pid, sum(e.side * e.amount_fen)::bigint AS fen
    FROM crm_transfer t JOIN crm_ledgerentry e ON e.transfer_id = t.id AND e.account = 'cash_wechat'
    WHERE t.provider = %(provider)s AND (
        t.provider_txn IN (SELECT pid FROM day)
        OR t.provider_txn <> '' AND t.booked_on = %(day)s
            AND NOT EXISTS (SELECT FROM wechatpay_payorder p WHERE p.transaction_id = t.provider_txn)
            AND NOT EXISTS (SELECT FROM wechatpay_payrefund r WHERE r.refund_id = t.provider_txn)
    ) GROUP BY 1
"""
_FUND = f"""
WITH day AS MATERIALIZED ({_OF_DAY}), ours AS ({_LEGS}), theirs AS ({_BILLED.format(name="l.platform_id", bill="fund")})
SELECT CASE WHEN coalesce(o.fen, t.fen) > 0 THEN 'pay' ELSE 'refund' END, coalesce(o.pid, t.name), o.fen, t.fen, '', NULL
FROM ours o FULL JOIN theirs t ON t.name = o.pid
WHERE o.pid IS NULL OR t.name IS NULL OR o.fen <> t.fen ORDER BY 1, 2
"""
_SALES = """
SELECT 'sale', s.id::text, l.fen, coalesce(p.fen, 0), '', NULL
FROM crm_sale s
JOIN LATERAL (SELECT coalesce(sum(paid_fen), 0)::bigint AS fen FROM crm_saleline WHERE sale_id = s.id) l ON true
LEFT JOIN LATERAL (SELECT sum(amount_fen)::bigint AS fen FROM crm_salepayment WHERE sale_id = s.id AND state = 'settled') p ON true
WHERE s.paid_at >= %(since)s AND s.paid_at < %(until)s AND (l.fen <> coalesce(p.fen, 0) OR l.fen <> s.paid_fen)
UNION ALL
SELECT 'refund', 'R' || r.id::text, r.amount_fen, coalesce(p.fen, 0) , '', NULL
FROM crm_salerefund r
LEFT JOIN LATERAL (SELECT sum(amount_fen)::bigint AS fen FROM crm_refundpart WHERE refund_id = r.id) p ON true
WHERE r.state = 'done' AND r.done_at >= %(since)s AND r.done_at < %(until)s AND r.amount_fen <> coalesce(p.fen, 0)
ORDER BY 1, 2
"""
# What is owed of cards that were emptied, by the ledger and by the refunds whose transfer was not written down by that night.
PAYOUTS = """
WITH owed AS (
    SELECT t.subject, -sum(e.side * e.amount_fen)::bigint AS fen FROM crm_ledgerentry e JOIN crm_transfer t ON t.id = e.transfer_id
    WHERE e.account = 'refund_clearing' AND starts_with(t.subject, 'card_refund:') AND e.booked_on <= %(day)s
    GROUP BY 1 HAVING sum(e.side * e.amount_fen) <> 0
), waiting AS (
    SELECT 'card_refund:' || r.id AS subject, r.pay_fen AS fen FROM crm_cardrefund r
    WHERE r.state = 'paid' AND r.way = 'account' AND r.pay_fen > 0 AND r.paid_at < %(until)s AND NOT EXISTS (
        SELECT FROM crm_cardpayout p WHERE p.refund_id = r.id AND p.at < %(until)s
            AND (p.undone_at IS NULL OR p.undone_at >= %(until)s)
    )
)
"""
_PAYOUTS = f"""{PAYOUTS}
SELECT 'refund', coalesce(o.subject, w.subject), -coalesce(o.fen, 0), -coalesce(w.fen, 0), '', NULL
FROM owed o FULL JOIN waiting w ON w.subject = o.subject WHERE o.fen IS DISTINCT FROM w.fen ORDER BY 2
"""


@dataclass(frozen=True)
class Found:
    """One thing that does not fit. Amounts > 0 came in, < 0 went out; None: not there at all."""

    source: str
    kind: str
    what: str
    number: str
    ours_fen: int | None
    theirs_fen: int | None
    ours_said: str = ""


def bounds(day: date) -> dict[str, Any]:
    """Return the day in Shanghai as the instants of a statement."""
    return {"since": local_moment(day, time()), "until": local_moment(day + timedelta(days=1), time()), "day": day}


def compare(day: FinanceDay, *, has_bills: bool) -> list[Found]:
    """Return everything of a day that does not fit."""
    params = bounds(day.day) | {"day_id": day.pk, "provider": PROVIDER}
    found = [*_rows(Source.SALES, _SALES, params), *_rows(Source.LEDGER, _PAYOUTS, params)]
    if has_bills:
        found += _rows(Source.TRADE, _TRADE, params)
        found += _rows(Source.FUND, _FUND, params)
    return found


def _rows(source: str, statement: str, params: dict[str, Any]) -> Iterator[Found]:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        rows = cursor.fetchall()
    for what, number, ours, theirs, state, at in rows:
        if ours is None:
            kind = Kind.STATE_DIFFERS if state else Kind.MISSING_HERE
        else:
            kind = Kind.MISSING_THERE if theirs is None else Kind.AMOUNT_DIFFERS
        yield Found(source, str(kind), what, number, ours, theirs, f"{state} {at:%m-%d}" if at else state)


def unheard(day: FinanceDay) -> list[str]:
    """Return numbers of orders that the bill says are paid and we do not know to be: they are asked for once more."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT p.out_trade_no FROM crm_billline l JOIN crm_bill b ON b.id = l.bill_id
            JOIN wechatpay_payorder p ON p.out_trade_no = l.number AND p.paid_at IS NULL
            WHERE b.day_id = %s AND b.kind = 'trade' AND l.kind = 'pay' ORDER BY 1 LIMIT 50
            """,
            [day.pk],
        )
        return [row[0] for row in cursor.fetchall()]
