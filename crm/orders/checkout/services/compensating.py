"""Money for a piece that we spoilt: nothing comes back for it, and order, points and level stay as they are."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.orders.models import Order, OrderLine
from crm.wallet import services as wallet
from crm.wallet.models import Account, LedgerEntry, Transfer
from guides.approvals.services import ask_approval
from guides.org.models import Store
from yejibao.core import audit
from yejibao.core.errors import Conflict
from yejibao.core.money import yuan
from yejibao.core.scope import Actor

from ..models import RefundLine, Sale, SaleLine, SalePayment, SaleRefund
from .paying_back import books_must_balance, pay_back
from .refunding import locked, needs_approval

State, Reason = SaleRefund.State, SaleRefund.Reason


class NothingToMakeGood(Conflict):
    code, title = "order.nothing_to_make_good", _("这一件没有可赔的金额")


@transaction.atomic
def compensate_line(
    order: Order, *, line_no: int, amount_fen: int, key: str, note: str, store: Store, actor: Actor, now: datetime
) -> SaleRefund:
    """Pay for one spoilt piece: at once, or once others approve, by the limits of returns. The same key is the same payment.

    The original way of payment, the card first; of an order of the feed over the counter. It cannot come back afterwards.
    """
    if done := SaleRefund.objects.filter(key=key).first():
        return done
    order, sale = locked(order)
    if done := SaleRefund.objects.filter(key=key).first():
        return done
    if amount_fen <= 0 or not OrderLine.objects.filter(order=order, line_no=line_no).exists():
        raise NothingToMakeGood()
    refund = SaleRefund.objects.create(
        order=order, sale=sale, key=key, state=State.ASKED, reason=Reason.COMPENSATION, note=note.strip()[:255], store=store,
        by_id=actor.staff_id, asked_at=now, amount_fen=amount_fen, wallet_fen=_from_card(sale, line_no, amount_fen),
    )  # fmt: skip
    RefundLine.objects.create(refund=refund, line_no=line_no, quantity=1, amount_fen=amount_fen)
    kind = needs_approval(actor, amount_fen, now=now)
    if kind is None:
        return carry_out_compensation(refund, actor=actor, now=now)
    ask_approval(
        kind, key=f"order:{order.pk}", title=f"{store.short_name}损坏赔偿 {yuan(amount_fen, cents=True)}", reason=note.strip(),
        unit=store.unit, facts={"refund": refund.pk}, url=f"/g/till/refunds/{refund.pk}/", actor=actor, now=now,
    )  # fmt: skip
    audit.record(actor, "refund.asked", refund, after={"order": order.pk, "amount_fen": amount_fen}, reason=note)
    return refund


@transaction.atomic
def carry_out_compensation(refund: SaleRefund, *, actor: Actor, now: datetime) -> SaleRefund:
    """Pay a compensation out. Raises LedgerOff while the books do not balance."""
    books_must_balance()
    _order, sale = locked(refund.sale or refund.order)
    waits = False
    if sale is not None:
        card, other = _left_to_go_back(sale)
        wallet_fen = min(max(refund.wallet_fen, refund.amount_fen - other), card)
        if refund.amount_fen > card + other:
            raise NothingToMakeGood(_("这一单剩下的款只有 %(sum)s") % {"sum": yuan(card + other, cents=True)})
        refund.wallet_fen = wallet_fen
        waits = pay_back(
            refund, sale, wallet_fen=wallet_fen, other_fen=refund.amount_fen - wallet_fen, actor=actor, now=now
        )
    else:
        _over_the_counter(refund, actor=actor, now=now)
    refund.state, refund.done_at = (State.PAYING, None) if waits else (State.DONE, now)
    refund.save(update_fields=["state", "done_at", "wallet_fen"])
    audit.record(actor, "compensation.paid", refund, after={"amount_fen": refund.amount_fen}, reason=refund.note)
    return refund


def _from_card(sale: Sale | None, line_no: int, amount_fen: int) -> int:
    """Return how much of it goes to the card: as much of the piece as the card had paid."""
    if sale is None:
        return 0
    line = SaleLine.objects.filter(sale=sale, line_no=line_no).first()
    return min(amount_fen, (line.principal_fen + line.gift_fen) // line.quantity) if line else 0


def _left_to_go_back(sale: Sale) -> tuple[int, int]:
    """Return what may still go back: to the card, and otherwise."""
    card = other = 0
    for payment in sale.payments.filter(state=SalePayment.State.SETTLED):
        left = payment.amount_fen - payment.refunded_fen
        if payment.way == SalePayment.Way.WALLET:
            card += left
        else:
            other += left
    return card, other


def _over_the_counter(refund: SaleRefund, *, actor: Actor, now: datetime) -> None:
    wallet.book(
        kind=Transfer.Kind.PAYBACK, key=f"refund:{refund.pk}:counter", subject=f"order:{refund.order_id}", store=refund.store_id, actor=actor, now=now,
        legs=[
            wallet.Leg(Account.REVENUE_CLEARING, LedgerEntry.Side.DEBIT, refund.amount_fen),
            wallet.Leg(Account.CASH_COUNTER, LedgerEntry.Side.CREDIT, refund.amount_fen),
        ],
    )  # fmt: skip
