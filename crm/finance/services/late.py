"""Money at WeChat that is nobody's stands in suspense until it is back with the payer: no fen of it is outside the ledger.

It came in after its order was closed, or for a sale or top-up that was over by then; whoever is told of payments before us
has booked all that is somebody's.
"""

from datetime import datetime

from crm.wallet.models import Account, LedgerEntry, Transfer
from crm.wallet.services import Leg, book
from yejibao.core.scope import Actor
from yejibao.wechatpay.models import PayRefund

from .matching import PROVIDER

DEBIT, CREDIT = LedgerEntry.Side.DEBIT, LedgerEntry.Side.CREDIT
ACTOR = Actor.system("wechatpay")


def book_unclaimed(pay_order_id: int, amount_fen: int, transaction_id: str, *, now: datetime) -> bool:
    """Book money in that nobody has booked; tell whether it was so. Safe to repeat."""
    if Transfer.objects.filter(provider=PROVIDER, provider_txn=transaction_id).exists():
        return False
    book(
        kind=Transfer.Kind.TAKINGS, key=_key(pay_order_id), subject=f"pay_order:{pay_order_id}", actor=ACTOR, now=now,
        provider=PROVIDER, provider_txn=transaction_id,
        legs=[Leg(Account.CASH_WECHAT, DEBIT, amount_fen), Leg(Account.SUSPENSE, CREDIT, amount_fen)],
    )  # fmt: skip
    return True


def book_returned(pay_refund_id: int, amount_fen: int, refund_id: str, *, now: datetime) -> bool:
    """Book out what stood in suspense and has reached the payer; other refunds are those of who booked the payment."""
    order_id = PayRefund.objects.values_list("order_id", flat=True).get(pk=pay_refund_id)
    if not stands_unclaimed(order_id) or Transfer.objects.filter(provider=PROVIDER, provider_txn=refund_id).exists():
        return False
    book(
        kind=Transfer.Kind.PAYBACK, key=f"unclaimed-back:{pay_refund_id}", subject=f"pay_refund:{pay_refund_id}", actor=ACTOR,
        now=now, provider=PROVIDER, provider_txn=refund_id,
        legs=[Leg(Account.SUSPENSE, DEBIT, amount_fen), Leg(Account.CASH_WECHAT, CREDIT, amount_fen)],
    )  # fmt: skip
    return True


def stands_unclaimed(pay_order_id: int) -> bool:
    """Tell whether the money of an order came in as nobody's."""
    return Transfer.objects.filter(actor_kind=ACTOR.kind, key=_key(pay_order_id)).exists()


def _key(pay_order_id: int) -> str:
    return f"unclaimed:{pay_order_id}"
