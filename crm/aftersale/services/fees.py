"""What the work on a garment costs: over the counter, by the card of who shows his code, or by the payment code of his WeChat."""

from __future__ import annotations

import re
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.orders.checkout.services import MemberMustShow
from crm.wallet import services as wallet
from crm.wallet.models import Account, LedgerEntry
from yejibao.core import audit
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.money import yuan
from yejibao.core.scope import Actor
from yejibao.wechatpay import services as wechatpay
from yejibao.wechatpay.models import PayOrder, PayRefund

from ..models import CareSlip, Ticket
from .answering import held_by
from .swapping import shows_his_code

COUNTER, CARD, WECHAT = ("cash", "card"), "wallet", "wechat"
PURPOSE = "care"  # of an order at WeChat
FREE = "不收费了，原路退回"
SYSTEM = Actor.system("wechatpay")
FEE_BACK = re.compile(r"care:(\d+):back")  # the key of its refund
Debit, Credit = LedgerEntry.Side.DEBIT, LedgerEntry.Side.CREDIT


class NoFee(Conflict):
    code, title = "ticket.no_fee", _("这张单没有要收的费用")


@transaction.atomic
def take_fee(
    ticket: Ticket, *, way: str, shown_code: str = "", key: str, actor: Actor, now: datetime
) -> str:  # fmt: skip
    """Take what the work costs: "cash", "card", or "wallet" by the code his phone shows; return what to say.

    Raises NoFee, MemberMustShow, PaidAlready where WeChat has it by now, and what the card says no to.
    """
    held = held_by(ticket, actor)
    slip = _to_be_paid(held)
    subject = f"ticket:{held.pk}"
    if way not in (*COUNTER, CARD):
        raise Invalid(errors=[{"field": "way", "code": "required", "message": str(_("请选怎么收的"))}])
    if way == CARD and not shows_his_code(held, shown_code):
        raise MemberMustShow()
    if (asked := wechatpay.order_for(PURPOSE, str(slip.pk))) is not None and asked.state == PayOrder.State.PAID:
        raise wechatpay.PaidAlready()
    if asked is not None and asked.is_open:
        wechatpay.close(asked, now=now, why="换一种付法")
    if way == CARD:
        moved = wallet.spend(
            held.member, amount_fen=slip.fee_fen, key=f"{subject}:fee:{key}"[:64], subject=subject, store=held.store, actor=actor, now=now
        )  # fmt: skip
    else:
        moved = _book(
            slip, Account.CASH_COUNTER, Account.REVENUE_CLEARING, kind="takings", key=f"fee:{key}", actor=actor, now=now,
            provider=way,
        )  # fmt: skip
    return _paid(slip, way, moved.transfer_id, actor=actor, now=now)


@transaction.atomic
def begin_fee(ticket: Ticket, *, actor: Actor, now: datetime) -> PayOrder:
    """Write the order that his payment code is charged with (`wechatpay.take_code`, no transaction open). Raises NoFee."""
    held = held_by(ticket, actor)
    slip = _to_be_paid(held)
    return wechatpay.begin(
        purpose=PURPOSE, subject=str(slip.pk), amount_fen=slip.fee_fen, description=f"{held.get_kind_display()} {held.number}",
        way=PayOrder.Way.CODEPAY, now=now, store_code=held.store.code,
    )  # fmt: skip


@transaction.atomic
def settle_fee(slip_id: int, *, pay_order_id: int, transaction_id: str, now: datetime) -> None:
    """WeChat has the fee: it is paid. Once; what was paid otherwise meanwhile, or is free by now, goes back."""
    ticket_id = CareSlip.objects.values_list("ticket_id", flat=True).get(pk=slip_id)
    Ticket.objects.select_for_update().get(pk=ticket_id)  # as every act on it
    slip = CareSlip.objects.select_related("ticket__store").get(pk=slip_id)
    order = PayOrder.objects.get(pk=pay_order_id)
    if slip.fee_way == WECHAT and wechatpay.order_for(PURPOSE, str(slip.pk)) == order:
        return
    if slip.fee_fen != order.amount_fen:
        wechatpay.refund(order, amount_fen=order.amount_fen, key=f"late:{order.pk}", reason=FREE, now=now)
        audit.record(SYSTEM, "care.fee_paid_late", slip, after={"amount_fen": order.amount_fen})
        return
    moved = _book(
        slip, Account.CASH_WECHAT, Account.REVENUE_CLEARING, kind="takings", key=f"fee:{order.pk}", actor=SYSTEM, now=now,
        provider_txn=transaction_id,
    )  # fmt: skip
    _paid(slip, WECHAT, moved.transfer_id, actor=SYSTEM, now=now)


def give_back_fee(slip: CareSlip, *, actor: Actor, now: datetime) -> None:
    """Give a fee that was taken back the way it came; by WeChat it is final once WeChat says so (`settle_fee_back`)."""
    if slip.fee_transfer_id is None:
        return
    if slip.fee_way != WECHAT:
        wallet.reverse_transfer(
            slip.fee_transfer_id, key=f"ticket:{slip.ticket_id}:fee_back", reason="own_damage", actor=actor, now=now
        )
        return
    order = wechatpay.order_for(PURPOSE, str(slip.pk))
    assert order is not None
    wechatpay.refund(order, amount_fen=slip.price_fen, key=f"care:{slip.pk}:back", reason=FREE, now=now)
    _book(
        slip,
        Account.REVENUE_CLEARING,
        Account.REFUND_CLEARING,
        kind="payback",
        key="fee_owed",
        actor=actor,
        now=now,
        amount=slip.price_fen,
    )


@transaction.atomic
def settle_fee_back(slip_id: int, *, pay_refund_id: int, amount_fen: int, provider_txn: str, now: datetime) -> None:
    """WeChat says that a fee is back with the payer. What came too late was never booked as ours."""
    if not PayRefund.objects.filter(pk=pay_refund_id, key=f"care:{slip_id}:back").exists():
        return
    slip = CareSlip.objects.select_related("ticket__store").get(pk=slip_id)
    _book(
        slip, Account.REFUND_CLEARING, Account.CASH_WECHAT, kind="payback", key="fee_back", actor=SYSTEM, now=now, amount=amount_fen,
        provider_txn=provider_txn,
    )  # fmt: skip


@transaction.atomic
def end_fee_back(pay_refund_id: int, *, credit: str, actor: Actor, now: datetime) -> bool:
    """A fee that WeChat could not bring back was ended by finance: `credit` is what it went to. Tell whether it was a fee."""
    refund = PayRefund.objects.filter(pk=pay_refund_id).first()
    found = FEE_BACK.fullmatch(refund.key) if refund else None
    if refund is None or found is None:
        return False
    slip = CareSlip.objects.select_related("ticket__store").get(pk=int(found[1]))
    _book(
        slip,
        Account.REFUND_CLEARING,
        credit,
        kind="payback",
        key="fee_ended",
        actor=actor,
        now=now,
        amount=refund.amount_fen,
    )
    return True


def _to_be_paid(held: Ticket) -> CareSlip:
    slip = CareSlip.objects.select_related("ticket__store").filter(ticket=held).first()
    if slip is None or not slip.fee_fen:
        raise NoFee()
    return slip


def _paid(slip: CareSlip, way: str, transfer_id: int, *, actor: Actor, now: datetime) -> str:
    fee = slip.fee_fen
    slip.fee_way, slip.fee_at, slip.fee_transfer_id = way, now, transfer_id
    slip.save(update_fields=["fee_way", "fee_at", "fee_transfer_id"])
    audit.record(actor, "care.fee_taken", slip, after={"amount_fen": fee, "way": way})
    return f"收了 {yuan(fee, cents=True)}"


def _book(
    slip: CareSlip, debit: str, credit: str, *, kind: str, key: str, actor: Actor, now: datetime, amount: int = 0, provider_txn: str = "",
    provider: str = "",
) -> wallet.Spent:  # fmt: skip
    fen, subject = amount or slip.fee_fen, f"ticket:{slip.ticket_id}"
    return wallet.book(
        kind=kind, key=f"{subject}:{key}"[:64], legs=[wallet.Leg(debit, Debit, fen), wallet.Leg(credit, Credit, fen)], subject=subject,
        store=slip.ticket.store, actor=actor, now=now, provider="wechatpay" if provider_txn else provider, provider_txn=provider_txn,
    )  # fmt: skip
