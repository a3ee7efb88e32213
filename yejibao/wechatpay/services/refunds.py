"""Money back: a row in the business transaction, sent by a job, final at SUCCESS alone, always under the same number."""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from yejibao.core import audit, outbox
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.idempotency import KeyMismatch
from yejibao.core.scope import Actor

from .. import gateway
from ..errors import NO_REFUND, Kind, PayError
from ..events import LateReturned, RefundSettled
from ..gateway import Refund
from ..models import PayOrder, PayRefund, move
from .numbers import new_number
from .orders import PayUnavailable

log = logging.getLogger(__name__)

State = PayRefund.State
BETWEEN = timedelta(minutes=1)  # two refunds of one order, as the platform wants it
MOST_REFUNDS = 50  # of one order
WITHIN = timedelta(days=365)  # of the payment
PAUSES = (timedelta(seconds=30), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))
HOURLY = timedelta(hours=1)


class MoreThanPaid(Conflict):
    code, title = "pay.refund_too_much", _("退款超过了可退的金额")


class NotStuck(Conflict):
    code, title = "pay.refund_not_stuck", _("这笔退款没有卡住，或者刚有了结果")


class TooOld(Conflict):
    code, title = "pay.refund_too_old", _("付款超过一年，微信支付不能原路退回")


@transaction.atomic
def refund(order: PayOrder, *, amount_fen: int, key: str, reason: str, now: datetime) -> PayRefund:
    """Ask for part or all of a payment back, in the business transaction; a job sends it. The same key is the same refund.

    Raises MoreThanPaid: all refunds of an order together stay within what was paid. RefundSettled tells of the end.
    """
    held = PayOrder.objects.select_for_update().get(pk=order.pk)
    if done := PayRefund.objects.filter(key=key).first():
        if (done.order_id, done.amount_fen) != (held.pk, amount_fen):
            raise KeyMismatch(_("同一个请求编号不能用于不同的退款"))
        return done
    if amount_fen <= 0:
        raise Invalid(errors=[{"field": "amount_fen", "code": "positive", "message": str(_("退款金额要大于 0"))}])
    if amount_fen > held.left_fen:
        raise MoreThanPaid(left_fen=held.left_fen)
    if held.paid_at is None or held.paid_at < now - WITHIN:
        raise TooOld()
    return _write(held, amount_fen=amount_fen, key=key, reason=reason, now=now)


def refund_late(order: PayOrder, *, now: datetime) -> PayRefund:
    """Send back what was paid after the order was closed; the order is locked by the caller."""
    return _write(
        order, amount_fen=order.amount_fen, key=f"late:{order.out_trade_no}", reason="订单已关闭，原路退回", now=now, is_automatic=True
    )  # fmt: skip


def _write(
    order: PayOrder, *, amount_fen: int, key: str, reason: str, now: datetime, is_automatic: bool = False
) -> PayRefund:
    newest = order.refunds.order_by("-pk").first()
    PayOrder.objects.filter(pk=order.pk).update(asked_back_fen=F("asked_back_fen") + amount_fen)
    order.asked_back_fen += amount_fen
    first_try = max(now, newest.created_at + BETWEEN) if newest else now
    return PayRefund.objects.create(
        out_refund_no=new_number("R", now), order=order, key=key, amount_fen=amount_fen, reason=reason[:80],
        is_automatic=is_automatic, created_at=now, next_try_at=first_try,
    )  # fmt: skip


# ---------------------------------------------------------------- sending and asking


def go_on(refund: PayRefund, *, now: datetime) -> bool:
    """Send a refund, or ask what became of it. No transaction open. Returns whether the platform answered.

    What was sent before and may have arrived is asked for first; only "no such refund" sends it again.
    """
    door = gateway.default()
    order = refund.order
    try:
        said = None
        if refund.tries > 1 or refund.state != State.CREATED:
            try:
                said = door.query_refund(refund.out_refund_no)
            except PayError as error:
                if error.code not in NO_REFUND:
                    raise
        # Stuck and due: finance said once more. What gets stuck by itself just now is finance's to decide.
        if said is None or said.status in ("ABNORMAL", "CLOSED") and refund.state in PayRefund.STUCK:
            said = door.refund(
                out_refund_no=refund.out_refund_no, out_trade_no=order.out_trade_no, amount_fen=refund.amount_fen,
                total_fen=order.amount_fen, reason=refund.reason,
            )  # fmt: skip
    except PayError as error:
        _failed(refund, error, now=now)
        return not (error.kind is Kind.TRANSIENT or error.kind is Kind.UNKNOWN and not error.code)
    take_refund(said, by="query" if refund.tries > 1 else "call", now=now)
    return True


def _failed(refund: PayRefund, error: PayError, *, now: datetime) -> None:
    """Note why it did not go; what heals is tried again, the rest waits for finance."""
    with transaction.atomic():
        held = PayRefund.objects.select_for_update().get(pk=refund.pk)
        word = (error.code or str(error.kind))[:64]
        if error.retryable:
            pause = HOURLY if error.kind is Kind.SHORT else _pause(held)
            PayRefund.objects.filter(pk=held.pk, state__in=PayRefund.UNDER_WAY).update(
                error=word, next_try_at=now + pause
            )
        elif held.state in PayRefund.UNDER_WAY:
            move(held, State.ABNORMAL, by="call", now=now, why=word, error=word, next_try_at=None)
    log.warning("wechatpay: refund %s: %s", refund.pk, error)


def _pause(refund: PayRefund) -> timedelta:
    return PAUSES[refund.tries - 1] if 0 < refund.tries <= len(PAUSES) else HOURLY


# ---------------------------------------------------------------- the platform's word


@transaction.atomic
def take_refund(said: Refund, *, by: str, now: datetime) -> PayRefund | None:
    """Take what the platform says of a refund; None where the number is none of ours. Safe to repeat, also at once."""
    found = PayRefund.objects.filter(out_refund_no=said.out_refund_no).values_list("order_id", flat=True).first()
    if found is None:
        return None
    order = PayOrder.objects.select_for_update().get(pk=found)  # first the order, then its refund, everywhere
    refund = PayRefund.objects.select_for_update().select_related("order").get(out_refund_no=said.out_refund_no)
    if refund.state == State.SUCCESS:
        return refund
    if refund.state in PayRefund.BY_HAND:
        _told_too_late(refund, said, by=by)
        return refund
    if said.amount_fen is not None and said.amount_fen != refund.amount_fen or said.mchid not in ("", order.mchid):
        if refund.error != "MISFIT":
            PayRefund.objects.filter(pk=refund.pk).update(error="MISFIT")
            audit.record(Actor.system("wechatpay"), "pay.misfit", refund, after={"by": by})
        return refund
    stamps: dict[str, Any] = {"refund_id": said.refund_id or refund.refund_id or None, "error": ""}
    match said.status:
        case "SUCCESS" if stamps["refund_id"]:
            _settle(order, refund, said, stamps, by=by, now=now)
        case "PROCESSING":
            pause = _pause(refund)
            if refund.state == State.PROCESSING:
                PayRefund.objects.filter(pk=refund.pk).update(next_try_at=now + pause)
            elif refund.state in PayRefund.STUCK and by == "notice":
                pass  # an old word; the platform is asked when finance asks
            else:
                move(refund, State.PROCESSING, by=by, now=now, next_try_at=now + pause, **stamps)
        case "ABNORMAL" | "CLOSED":
            state = State.ABNORMAL if said.status == "ABNORMAL" else State.CLOSED
            if refund.state != state:
                move(refund, state, by=by, now=now, next_try_at=None, **(stamps | {"error": said.status}))
    return refund


def _settle(
    order: PayOrder, refund: PayRefund, said: Refund, stamps: dict[str, Any], *, by: str, now: datetime
) -> None:
    move(refund, State.SUCCESS, by=by, now=now, settled_at=said.settled_at or now, next_try_at=None, **stamps)
    PayOrder.objects.filter(pk=order.pk).update(refunded_fen=F("refunded_fen") + refund.amount_fen)
    order.refunded_fen += refund.amount_fen
    if order.refunded_fen == order.amount_fen:
        move(order, PayOrder.State.REFUNDED, by=by, now=now)
    if refund.is_automatic:
        outbox.publish(
            LateReturned(refund.pk, refund.amount_fen, refund.refund_id or "", (said.settled_at or now).isoformat())
        )
    else:
        outbox.publish(
            RefundSettled(refund.pk, order.purpose, order.subject, refund.amount_fen, refund.refund_id or "")
        )


def _told_too_late(refund: PayRefund, said: Refund, *, by: str) -> None:
    """The platform brought back what was ended by hand: nothing is booked twice, finance sees it, and so does the day's bill."""
    if said.status == "SUCCESS" and refund.error != "TWICE":
        PayRefund.objects.filter(pk=refund.pk).update(error="TWICE")
        audit.record(Actor.system("wechatpay"), "pay.refund_twice", refund, after={"by": by, "was": refund.state})


def is_refunded(refund_id: int) -> bool:
    """Tell whether a refund has reached the payer."""
    return PayRefund.objects.filter(pk=refund_id, state=State.SUCCESS).exists()


@transaction.atomic
def try_again(refund_id: int, *, actor: Actor, now: datetime) -> PayRefund:
    """Have a refund that got stuck sent once more, under its number, by the next tick. Finance's button."""
    refund = PayRefund.objects.select_for_update().get(pk=refund_id)
    if refund.state not in PayRefund.STUCK:
        raise NotStuck()
    PayRefund.objects.filter(pk=refund.pk).update(next_try_at=now, tries=0)
    audit.record(actor, "pay.refund_again", refund, after={"error": refund.error})
    refund.refresh_from_db()
    return refund


def ask_again(refund_id: int, *, now: datetime) -> PayRefund:
    """Ask the platform how a stuck refund stands, and take its word; for who is about to end it by hand. No transaction open.

    Raises PayUnavailable where it does not answer: nobody pays a second time on a guess.
    """
    refund = PayRefund.objects.get(pk=refund_id)
    try:
        take_refund(gateway.default().query_refund(refund.out_refund_no), by="query", now=now)
    except PayError as error:
        if error.code not in NO_REFUND:
            raise PayUnavailable() from None
    refund.refresh_from_db()
    return refund


@transaction.atomic
def end_by_hand(refund_id: int, *, is_paid: bool, actor: Actor, now: datetime, why: str) -> PayRefund:
    """End a stuck refund for good: it was paid by hand, or it is given up. The caller books it. Raises NotStuck."""
    order_id = PayRefund.objects.values_list("order_id", flat=True).get(pk=refund_id)
    PayOrder.objects.select_for_update().get(pk=order_id)  # first the order, then its refund, everywhere
    refund = PayRefund.objects.select_for_update().get(pk=refund_id)
    if refund.state not in PayRefund.STUCK or refund.next_try_at is not None:
        raise NotStuck()
    move(refund, State.PAID_OUT if is_paid else State.GIVEN_UP, by="person", now=now, why=why)
    audit.record(
        actor, "pay.refund_ended", refund, after={"state": refund.state, "amount_fen": refund.amount_fen}, reason=why
    )
    return refund
