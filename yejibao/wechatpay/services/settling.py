"""What the platform says of an order becomes what we know: under the order's lock, compared before anything is credited.

Notices come late, twice, at once or never; queries and the answers of calls say the same. All of them end here.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from yejibao.core import audit, outbox
from yejibao.core.scope import Actor

from .. import gateway
from ..errors import NO_ORDER, ORDER_CLOSED, ORDER_PAID, PayError
from ..events import PaymentClosed, PaymentLate, PaymentSettled
from ..gateway import CURRENCY, Payment
from ..models import PayOrder, move

log = logging.getLogger(__name__)

State, Way = PayOrder.State, PayOrder.Way
# An open order is looked at so long after the look before, then each hour until it expires (reliability-security §4).
PAUSES = (
    timedelta(seconds=10),
    timedelta(seconds=30),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
)
HOURLY = timedelta(hours=1)
CODE_PAUSE = timedelta(seconds=5)  # a payment code: every few seconds, then it is undone
AFTER_EXPIRY = timedelta(seconds=5)
OVER = ("CLOSED", "REVOKED", "PAYERROR")
GATEWAY_WAIT = timedelta(seconds=60)  # after a platform that did not answer


def next_look(now: datetime, looks: int, expires_at: datetime, *, way: str = "") -> datetime:
    """Return when an open order is asked for next: never long after it expires."""
    if way == Way.CODEPAY:
        pause = CODE_PAUSE
    else:
        pause = PAUSES[looks] if looks < len(PAUSES) else HOURLY
    return max(min(now + pause, expires_at + AFTER_EXPIRY), now + timedelta(seconds=2))


# ---------------------------------------------------------------- asking


def ask(order: PayOrder, *, now: datetime) -> bool:
    """Ask the platform what became of an order and take its word; what has expired or was given up is closed there first.

    No transaction open. Returns whether the platform answered.
    """
    door = gateway.default()
    must_end = order.state == State.CLOSED or order.expires_at <= now
    try:
        if must_end:
            if order.way == Way.CODEPAY:
                door.reverse(order.out_trade_no)  # pays back by itself what was paid after all
            else:
                door.close(order.out_trade_no)
            if order.way != Way.CODEPAY:
                end(order.pk, by="expiry" if order.is_open else "call", now=now)
                return True
        take_payment(door.query(order.out_trade_no), by="query", now=now)
    except PayError as error:
        return _answered(order, error, must_end=must_end, now=now)
    return True


def _answered(order: PayOrder, error: PayError, *, must_end: bool, now: datetime) -> bool:
    """Act on a refusal; return False when the platform did not answer at all."""
    if error.code == ORDER_PAID:
        try:
            take_payment(gateway.default().query(order.out_trade_no), by="query", now=now)
            return True
        except PayError as second:
            error = second
    if error.code in NO_ORDER or error.code == ORDER_CLOSED:
        # Unknown there: the call that would have made it never arrived, and after the end none will.
        if must_end:
            end(order.pk, by="expiry" if order.is_open else "call", now=now)
        return True
    if error.retryable:
        return False
    log.warning("wechatpay: order %s: %s", order.pk, error)
    return True


# ---------------------------------------------------------------- the platform's word


@transaction.atomic
def take_payment(said: Payment, *, by: str, now: datetime) -> PayOrder | None:
    """Take what the platform says of an order; return it, None where the number is none of ours.

    Safe to call with the same word any number of times, also at once: the order's lock decides.
    """
    order = PayOrder.objects.select_for_update().filter(out_trade_no=said.out_trade_no).first()
    if order is None:
        return None
    if said.is_paid:
        _paid(order, said, by=by, now=now)
    elif said.trade_state in OVER:
        _ended(order, by=by, now=now, why=said.trade_state)
    elif order.state == State.CREATED:
        move(order, State.PAYING, by=by, now=now)
    return order


def _paid(order: PayOrder, said: Payment, *, by: str, now: datetime) -> None:
    if order.transaction_id == said.transaction_id and order.state in PayOrder.TAKEN:
        return  # told again
    if trouble := _misfit(order, said):
        if order.trouble != trouble:
            PayOrder.objects.filter(pk=order.pk).update(trouble=trouble)
            order.trouble = trouble
            audit.record(Actor.system("wechatpay"), "pay.misfit", order, after={"what": trouble, "by": by})
        return
    paid_at = said.paid_at or now
    stamps: dict[str, Any] = {
        "transaction_id": said.transaction_id,
        "paid_at": paid_at,
        "payer_openid": said.payer_openid or order.payer_openid,
        "next_look_at": None,
        "trouble": "",
    }
    if order.is_open:
        move(order, State.PAID, by=by, now=now, **stamps)
        outbox.publish(
            PaymentSettled(
                order.pk,
                order.purpose,
                order.subject,
                order.amount_fen,
                said.transaction_id,
                paid_at.isoformat(),
            )
        )
    elif order.state == State.CLOSED:
        from .refunds import refund_late

        move(order, State.LATE, by=by, now=now, why="关单后到账", **stamps)
        refund_late(order, now=now)
        outbox.publish(PaymentLate(order.pk, order.amount_fen, said.transaction_id, paid_at.isoformat()))
        audit.record(Actor.system("wechatpay"), "pay.late", order, after={"amount_fen": order.amount_fen})


def _misfit(order: PayOrder, said: Payment) -> str:
    """Return which of its words are not those of the order; "" when all are."""
    if order.transaction_id and order.transaction_id != said.transaction_id:
        return "transaction"
    pairs = (
        ("appid", said.appid, order.appid),
        ("mchid", said.mchid, order.mchid),
        ("amount", said.amount_fen, order.amount_fen),
        ("currency", said.currency, CURRENCY),
        ("payer", said.payer_openid, order.payer_openid if order.way == Way.JSAPI else said.payer_openid),
        ("transaction", bool(said.transaction_id), True),
    )
    return next((name for name, theirs, ours in pairs if theirs != ours), "")


@transaction.atomic
def end(order_id: int, *, by: str, now: datetime, why: str = "") -> None:
    """Note that the platform has closed the order, or knows none."""
    _ended(PayOrder.objects.select_for_update().get(pk=order_id), by=by, now=now, why=why)


def _ended(order: PayOrder, *, by: str, now: datetime, why: str = "") -> None:
    if order.is_open:
        move(order, State.CLOSED, by=by, now=now, why=why, closed_at=now, next_look_at=None)
        outbox.publish(PaymentClosed(order.pk, order.purpose, order.subject))
    elif order.state == State.CLOSED:
        PayOrder.objects.filter(pk=order.pk).update(next_look_at=None)


@transaction.atomic
def mark_paying(order_id: int, *, by: str, now: datetime) -> PayOrder:
    """Note that the payer is at it, or that nobody knows; it is looked at soon."""
    order = PayOrder.objects.select_for_update().get(pk=order_id)
    if order.state == State.CREATED:
        move(order, State.PAYING, by=by, now=now, next_look_at=now + CODE_PAUSE)
    return order
