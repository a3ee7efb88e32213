"""The figures of a day, each equation with both its sides, as the page shows them and a closed day keeps them."""

from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Sum

from crm.orders.checkout.models import SalePayment
from crm.wallet.services import closing, prove_ledger, trial_balance

from ..models import Bill, FinanceDay
from .matching import PAYOUTS, PROVIDER, bounds

_CASH = """
WITH legs AS (
    SELECT e.side * e.amount_fen AS fen, t.booked_on, t.provider, t.provider_txn, coalesce(p.paid_at, r.settled_at) AS at
    FROM crm_ledgerentry e JOIN crm_transfer t ON t.id = e.transfer_id
    LEFT JOIN wechatpay_payorder p ON t.provider = %(provider)s AND p.transaction_id = t.provider_txn
    LEFT JOIN wechatpay_payrefund r ON t.provider = %(provider)s AND r.refund_id = t.provider_txn
    WHERE e.account = 'cash_wechat' AND (
        e.booked_on = %(day)s OR p.paid_at >= %(since)s AND p.paid_at < %(until)s
        OR r.settled_at >= %(since)s AND r.settled_at < %(until)s
    )
)
SELECT coalesce(sum(fen) FILTER (WHERE booked_on = %(day)s), 0)::bigint,
    coalesce(sum(fen) FILTER (WHERE booked_on <> %(day)s), 0)::bigint,
    coalesce(sum(fen) FILTER (WHERE booked_on = %(day)s AND at IS NOT NULL AND NOT (at >= %(since)s AND at < %(until)s)), 0)::bigint,
    coalesce(sum(fen) FILTER (WHERE booked_on = %(day)s AND provider <> %(provider)s), 0)::bigint
FROM legs
"""
_ORDERS = """
SELECT purpose, count(*), sum(amount_fen)::bigint, count(*) FILTER (WHERE state = 'late' OR closed_at IS NOT NULL)
FROM wechatpay_payorder WHERE paid_at >= %(since)s AND paid_at < %(until)s GROUP BY 1 ORDER BY 1
"""
_REFUNDS = """
SELECT count(*), coalesce(sum(amount_fen), 0)::bigint FROM wechatpay_payrefund
WHERE state = 'success' AND settled_at >= %(since)s AND settled_at < %(until)s
"""
_SOLD = """
SELECT count(DISTINCT s.id), coalesce(sum(l.paid_fen), 0)::bigint FROM crm_sale s JOIN crm_saleline l ON l.sale_id = s.id
WHERE s.paid_at >= %(since)s AND s.paid_at < %(until)s
"""
_BACK = """
SELECT p.way, sum(rp.amount_fen)::bigint FROM crm_refundpart rp JOIN crm_salepayment p ON p.id = rp.payment_id
JOIN crm_salerefund r ON r.id = rp.refund_id
WHERE r.state = 'done' AND NOT rp.is_given_up AND r.done_at >= %(since)s AND r.done_at < %(until)s GROUP BY 1
"""
_PAYABLE = f"""{PAYOUTS}
SELECT coalesce(-sum(side * amount_fen) FILTER (WHERE booked_on < %(day)s), 0)::bigint,
    coalesce(sum(amount_fen) FILTER (WHERE booked_on = %(day)s AND side = -1), 0)::bigint,
    coalesce(sum(amount_fen) FILTER (WHERE booked_on = %(day)s AND side = 1), 0)::bigint,
    (SELECT coalesce(sum(fen), 0)::bigint FROM owed), (SELECT coalesce(sum(fen), 0)::bigint FROM waiting),
    (SELECT count(*) FROM waiting)
FROM crm_ledgerentry WHERE account = 'refund_clearing' AND booked_on <= %(day)s
"""


def prove(day: FinanceDay, *, now: datetime) -> dict[str, Any]:
    """Return all figures of a day as plain values. Reads the whole ledger once."""
    params = bounds(day.day) | {"provider": PROVIDER}
    ledger = prove_ledger(now=now)
    return {
        "ledger": {
            "in_balance": ledger.is_in_balance, "difference_fen": ledger.difference_fen, "entries": ledger.entries_count,
            "wallets_off": ledger.wallets_off_count, "transfers_off": ledger.transfers_off_count, "days_off": ledger.days_off_count,
        },
        "accounts": [
            {"account": row.account, "debit_fen": row.debit_fen, "credit_fen": row.credit_fen, "balance_fen": row.balance_fen}
            for row in trial_balance(day.day).rows
        ],
        "card": [
            {"part": row.part, "opening_fen": row.opening_fen, "topped_up_fen": row.topped_up_fen, "spent_fen": row.spent_fen,
             "returned_fen": row.returned_fen, "refunded_fen": row.refunded_fen, "corrected_fen": row.corrected_fen,
             "closing_fen": row.closing_fen}
            for row in closing(day.day)
        ],
        "wechat": _wechat(day, params),
        "sales": _sales(params),
        "payable": _payable(params),
    }  # fmt: skip


def _wechat(day: FinanceDay, params: dict[str, Any]) -> dict[str, Any]:
    """The account at WeChat: what its bill says, what our ledger says, and what lies between them."""
    bills = {bill.kind: bill for bill in day.bills.all()}
    trade, fund = bills.get(Bill.Kind.TRADE), bills.get(Bill.Kind.FUND)
    ((booked, elsewhere, others, adjusted),) = _all(_CASH, params)
    orders = [
        {"purpose": purpose, "count": count, "fen": int(fen), "late": late} for purpose, count, fen, late in _all(_ORDERS, params)
    ]  # fmt: skip
    ((refunds, refunded),) = _all(_REFUNDS, params)
    return {
        "trade": _bill(trade), "fund": _bill(fund),
        "orders": orders, "orders_fen": sum(int(row["fen"]) for row in orders), "refunds": refunds, "refunds_fen": int(refunded),
        # booked on the day + booked on other days − other days' money booked here − adjustments = what the fund bill says
        "booked_fen": int(booked), "elsewhere_fen": int(elsewhere), "others_fen": int(others), "adjusted_fen": int(adjusted),
        "ours_fen": int(booked) + int(elsewhere) - int(others) - int(adjusted),
        "theirs_fen": fund.in_fen - fund.out_fen if fund else None,
    }  # fmt: skip


def _bill(bill: Bill | None) -> dict[str, int] | None:
    if bill is None:
        return None
    return {"lines": bill.lines_count, "in_fen": bill.in_fen, "out_fen": bill.out_fen, "fee_fen": bill.fee_fen}


def _sales(params: dict[str, Any]) -> dict[str, Any]:
    """What was sold, by line, against how it was paid, by way."""
    ((count, sold),) = _all(_SOLD, params)
    ways = SalePayment.objects.filter(
        sale__paid_at__gte=params["since"], sale__paid_at__lt=params["until"], state=SalePayment.State.SETTLED
    )
    taken = {way: int(fen) for way, fen in ways.values_list("way").annotate(Sum("amount_fen")).order_by("way")}
    back = {way: int(fen) for way, fen in _all(_BACK, params)}
    return {
        "count": count, "lines_fen": int(sold), "taken": taken, "taken_fen": sum(taken.values()), "back": back,
        "back_fen": sum(back.values()),
    }  # fmt: skip


def _payable(params: dict[str, Any]) -> dict[str, int]:
    """What is owed of refunds, through the day; of it cards, as the ledger and as the list of transfers to be made has them."""
    ((opening, owed, paid, cards, waiting, count),) = _all(_PAYABLE, params)
    return {
        "opening_fen": int(opening), "owed_fen": int(owed), "paid_fen": int(paid), "closing_fen": int(opening + owed - paid),
        "cards_fen": int(cards), "waiting_fen": int(waiting), "waiting": count,
    }  # fmt: skip


def _all(statement: str, params: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return list(cursor.fetchall())
