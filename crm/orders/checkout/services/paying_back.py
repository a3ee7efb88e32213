"""The money of a refund: to the card, by WeChat, over the counter, and what WeChat says of its part later."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from crm.wallet import services as wallet
from crm.wallet.errors import LedgerOff
from crm.wallet.models import Account, LedgerEntry, Transfer
from crm.wallet.queries import books_balance
from yejibao.core import audit
from yejibao.core.scope import Actor
from yejibao.wechatpay import services as wechatpay
from yejibao.wechatpay.models import PayRefund

from ..models import RefundPart, Sale, SalePayment, SaleRefund
from .taking import pay_order_of, subject_of

State = SaleRefund.State


def books_must_balance() -> None:
    """Raise LedgerOff while the newest proof of the ledger says that they do not."""
    if not books_balance():
        raise LedgerOff(_("账正在核对，退款暂停，收银不受影响。核平后再退。"))


def pay_back(
    refund: SaleRefund, sale: Sale, *, wallet_fen: int, other_fen: int, actor: Actor, now: datetime
) -> bool:  # fmt: skip
    """Pay a refund out: to the card first, then by WeChat, then over the counter. Return whether WeChat has to send its part."""
    subject, key = subject_of(sale), f"refund:{refund.pk}"
    waits, left = False, {True: wallet_fen, False: other_fen}
    for payment in _in_order(sale):
        is_card = payment.way == SalePayment.Way.WALLET
        part = min(left[is_card], payment.amount_fen - payment.refunded_fen)
        if not part:
            continue
        left[is_card] -= part
        row = RefundPart(refund=refund, payment=payment, amount_fen=part)
        if is_card:
            row.transfer_id = wallet.refund_spend(
                payment.transfer_id or 0, amount_fen=part, key=f"{key}:card:{payment.pk}", subject=subject, store=refund.store,
                actor=actor, now=now,
            ).transfer_id  # fmt: skip
            row.done_at = now
        elif payment.way in SalePayment.WECHAT:
            waits = True
            order = pay_order_of(payment)
            row.pay_refund_id = wechatpay.refund(
                order, amount_fen=part, key=f"{key}:{payment.pk}", reason=_for_his_bill(refund), now=now
            ).pk
            _book(
                refund,
                part,
                debit=Account.REVENUE_CLEARING,
                credit=Account.REFUND_CLEARING,
                key=f"owed:{payment.pk}",
                actor=actor,
                now=now,
            )
        else:
            row.done_at = now
            row.transfer_id = _book(
                refund, part, debit=Account.REVENUE_CLEARING, credit=Account.CASH_COUNTER, key=f"pay:{payment.pk}", actor=actor, now=now
            )  # fmt: skip
        SalePayment.objects.filter(pk=payment.pk).update(refunded_fen=F("refunded_fen") + part)
        row.save(force_insert=True)
    if any(left.values()):
        raise RuntimeError(f"{sum(left.values())} fen of refund {refund.pk} have nowhere to go")
    return waits


@transaction.atomic
def settle_refund(pay_refund_id: int, *, now: datetime) -> None:
    """WeChat says the money is back with the payer: it is final only now."""
    # By WeChat's own number, so that the day's bill finds the leg.
    number = PayRefund.objects.values_list("refund_id", flat=True).get(pk=pay_refund_id)
    _owed_no_more(
        pay_refund_id, credit=Account.CASH_WECHAT, key="sent", provider_txn=number or "", actor=Actor.system("wechatpay"), now=now
    )  # fmt: skip


@transaction.atomic
def end_refund(pay_refund_id: int, *, credit: str, is_given_up: bool, actor: Actor, now: datetime) -> bool:
    """What WeChat could not bring back was ended by finance: `credit` is what it went to. Tell whether it was one of a sale's.

    Given up, it stands so on the refund: the member did not get it.
    """
    if not _owed_no_more(pay_refund_id, credit=credit, key="ended", provider_txn="", actor=actor, now=now):
        return False
    if is_given_up:
        part = RefundPart.objects.get(pay_refund_id=pay_refund_id)
        RefundPart.objects.filter(pk=part.pk).update(is_given_up=True)
        SaleRefund.objects.filter(pk=part.refund_id).update(given_up_fen=F("given_up_fen") + part.amount_fen)
    return True


def _owed_no_more(
    pay_refund_id: int, *, credit: str, key: str, provider_txn: str, actor: Actor, now: datetime
) -> bool:  # fmt: skip
    """Book what was owed by WeChat out, once, and end the refund with its last part."""
    if not RefundPart.objects.filter(pay_refund_id=pay_refund_id, done_at=None).update(done_at=now):
        return False
    part = RefundPart.objects.select_related("refund__sale__store").get(pay_refund_id=pay_refund_id)
    refund = part.refund
    part.transfer_id = _book(
        refund, part.amount_fen, debit=Account.REFUND_CLEARING, credit=credit, key=f"{part.pk}:{key}", actor=actor,
        now=now, provider_txn=provider_txn,
    )  # fmt: skip
    part.save(update_fields=["transfer_id"])
    if not refund.parts.filter(done_at=None).exists():
        SaleRefund.objects.filter(pk=refund.pk, state=State.PAYING).update(state=State.DONE, done_at=now)
        audit.record(actor, "refund.settled", refund, after={"amount_fen": refund.amount_fen})
    return True


def _for_his_bill(refund: SaleRefund) -> str:
    return "退货退款" if refund.reason in SaleRefund.RETURNS else str(SaleRefund.Reason(refund.reason).label)


def _in_order(sale: Sale) -> list[SalePayment]:
    """Return the payments in the order in which they get money back: the card, WeChat, then what came over the counter."""
    rank = {SalePayment.Way.WALLET: 0} | dict.fromkeys(SalePayment.WECHAT, 1)
    payments = sale.payments.filter(state=SalePayment.State.SETTLED).order_by("pk")
    return sorted(payments, key=lambda one: (rank.get(one.way, 2), one.pk))


def _book(
    refund: SaleRefund, amount_fen: int, *, debit: str, credit: str, key: str, actor: Actor, now: datetime, provider_txn: str = ""
) -> int:  # fmt: skip
    return wallet.book(
        kind=Transfer.Kind.PAYBACK,
        key=f"refund:{refund.pk}:{key}",
        legs=[
            wallet.Leg(debit, LedgerEntry.Side.DEBIT, amount_fen),
            wallet.Leg(credit, LedgerEntry.Side.CREDIT, amount_fen),
        ],
        subject=f"sale:{refund.sale_id}",
        store=refund.store_id,
        actor=actor,
        now=now,
        provider="wechatpay" if provider_txn else "",
        provider_txn=provider_txn,
    ).transfer_id
