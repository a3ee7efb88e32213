"""What the door to WeChat Pay tells the house. Published in the transaction that settles, through core's outbox.

`purpose` and `subject` are what `begin` was given: "top_up" and the top-up's id, "sale" and the sale's. Each settles once.
"""

from dataclasses import dataclass
from typing import ClassVar

from yejibao.core.outbox import Event


@dataclass(frozen=True)
class PaymentSettled(Event):
    """The money is ours: the platform says so, and appid, mchid, amount, currency and payer are those of the order."""

    topic: ClassVar[str] = "wechatpay.payment_settled"
    pay_order_id: int
    purpose: str
    subject: str
    amount_fen: int
    transaction_id: str
    paid_at: str  # ISO 8601, UTC, as the platform says


@dataclass(frozen=True)
class PaymentClosed(Event):
    """Nothing was paid and nothing will be credited: expired, undone, failed, or given up by `close`."""

    topic: ClassVar[str] = "wechatpay.payment_closed"
    pay_order_id: int
    purpose: str
    subject: str


@dataclass(frozen=True)
class PaymentLate(Event):
    """Money came in for an order that was closed: it is nobody's, and on its way back. For the books alone."""

    topic: ClassVar[str] = "wechatpay.payment_late"
    pay_order_id: int
    amount_fen: int
    transaction_id: str
    paid_at: str


@dataclass(frozen=True)
class LateReturned(Event):
    """What came in late reached the payer again."""

    topic: ClassVar[str] = "wechatpay.late_returned"
    pay_refund_id: int
    amount_fen: int
    refund_id: str
    settled_at: str


@dataclass(frozen=True)
class RefundSettled(Event):
    """Money went back to the payer. Not told for what came in after the order was closed: nobody was credited."""

    topic: ClassVar[str] = "wechatpay.refund_settled"
    pay_refund_id: int
    purpose: str
    subject: str
    amount_fen: int
    refund_id: str = ""  # the platform's number: the ledger's provider reference of the money that left
