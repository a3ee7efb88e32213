"""All that is done with stored value. Each is one transaction, and writes its audit row where a person or the provider did it."""

from crm.wallet.queries import Balance, balance_of

from .cards import freeze, open_wallet, replace_card, unfreeze
from .holders import RealName
from .moving import Leg, Spent, book, refund_spend, reverse_transfer, spend
from .payouts import settle_payout, undo_payout
from .proving import close_days, closing, prove_ledger, trial_balance
from .refunds import approve_refund, ask_refund, pay_refund, quote_refund, refuse_refund, take_up_refund
from .top_ups import (
    COUNTER_WAYS,
    begin_top_up,
    cancel_top_up,
    confirm_facts,
    confirm_top_up,
    expire_top_ups,
    pay_order_of,
    settle_paid,
    settle_top_up,
)

__all__ = [
    "Balance",
    "COUNTER_WAYS",
    "Leg",
    "RealName",
    "Spent",
    "approve_refund",
    "ask_refund",
    "balance_of",
    "begin_top_up",
    "book",
    "cancel_top_up",
    "close_days",
    "closing",
    "confirm_facts",
    "confirm_top_up",
    "expire_top_ups",
    "freeze",
    "open_wallet",
    "pay_order_of",
    "pay_refund",
    "prove_ledger",
    "quote_refund",
    "refund_spend",
    "refuse_refund",
    "replace_card",
    "reverse_transfer",
    "settle_paid",
    "settle_payout",
    "settle_top_up",
    "spend",
    "take_up_refund",
    "trial_balance",
    "undo_payout",
    "unfreeze",
]
