"""How a sale that waits comes to its end: paid, given up, or nobody came."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.catalogue import services as catalogue
from crm.members.services import lock_members
from yejibao.core import audit
from yejibao.core.scope import Actor
from yejibao.wechatpay import services as wechatpay
from yejibao.wechatpay.models import PayOrder

from ..models import Sale, SaleMoved, SalePayment
from ..queries import lines_of
from .baskets import lock_sale
from .keeping import put_back
from .taking import book_takings, complete, give_means_back, give_up_wechat, subject_of

State = Sale.State


@transaction.atomic
def settle_payment(
    sale: Sale, *, pay_order_id: int, transaction_id: str, now: datetime, paid_at: datetime | None = None
) -> Sale:
    """WeChat says it is paid. Once; for a sale that was closed meanwhile, or paid otherwise, the money goes back."""
    held = lock_sale(sale)
    payment = held.payments.get(pay_order_id=pay_order_id)
    if payment.state == SalePayment.State.SETTLED:
        return held
    if payment.state == SalePayment.State.CLOSED or held.state != State.AWAITING_PAYMENT:
        order = PayOrder.objects.get(pk=pay_order_id)
        wechatpay.refund(
            order, amount_fen=order.amount_fen, key=f"late:{held.pk}:{order.pk}", reason="订单已关闭，原路退回", now=now
        )
        audit.record(Actor.system("wechatpay"), "sale.paid_late", held, after={"amount_fen": order.amount_fen})
        return held
    payment.state, payment.settled_at, payment.reference = SalePayment.State.SETTLED, now, transaction_id
    payment.save(update_fields=["state", "settled_at", "reference"])
    book_takings(held, payment, actor=Actor.system("wechatpay"), now=now)
    return complete(held, actor=Actor.system("wechatpay"), now=now)


@transaction.atomic
def drop_payment(sale: Sale, *, pay_order_id: int) -> Sale:
    """WeChat says nobody will pay this order any more: another may be begun until the sale itself ends."""
    held = lock_sale(sale)
    held.payments.filter(pay_order_id=pay_order_id, state=SalePayment.State.WAITING).update(
        state=SalePayment.State.CLOSED
    )
    return held


@transaction.atomic
def close_sale(sale: Sale, *, reason: str, actor: Actor, now: datetime) -> Sale:
    """Give it up: coupon, points, card and goods go back by reversal. Raises SaleMoved once it is paid."""
    held = lock_sale(sale)
    if held.state == State.CLOSED:
        return held
    if held.state not in Sale.OPEN:
        raise SaleMoved(_("这一单%(state)s") % {"state": held.get_state_display()})
    if held.state == State.AWAITING_PAYMENT:
        if held.member_id:
            lock_members([held.member_id])
        give_up_wechat(held, now=now, why=reason)
        give_means_back(held, actor=actor, now=now)
        catalogue.returned(
            held.store,
            [(line.sku_id, line.quantity) for line in lines_of(held)],
            subject=subject_of(held),
            key=f"{subject_of(held)}:closed",
            now=now,
            actor=actor,
        )
    put_back(held, now=now)
    audit.record(actor, "sale.closed", held, reason=reason)
    held.move_to(State.CLOSED, actor=actor, now=now, why=reason, closed_at=now, close_reason=reason[:64])
    return held


def close_expired(*, now: datetime, batch: int = 200) -> dict[str, int]:
    """End the sales nobody paid in time; each in a transaction of its own, so that one that is paid just now stops none."""
    closed = 0
    due = Sale.objects.filter(state__in=Sale.OPEN, expires_at__lte=now).order_by("expires_at", "pk")
    for sale in list(due.only("pk")[:batch]):
        with transaction.atomic():
            held = lock_sale(sale)
            if held.state not in Sale.OPEN or held.expires_at is None or held.expires_at > now:
                continue  # paid, or another way was begun meanwhile
            try:
                with transaction.atomic():
                    close_sale(held, reason="到时未付", actor=Actor.system(), now=now)
                closed += 1
            except wechatpay.PaidAlready:  # his payment is on its way to us
                continue
    return {"closed": closed}
