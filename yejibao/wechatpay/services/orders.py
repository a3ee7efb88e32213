"""Orders: written first, then asked for at the platform, then watched until they are over."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from yejibao.core import clock
from yejibao.core.errors import Conflict, Unavailable

from .. import gateway
from ..account import configured
from ..errors import NUMBER_USED, ORDER_CLOSED, ORDER_PAID, USER_PAYING, Kind, PayError
from ..models import PayOrder, move
from . import settling
from .numbers import new_number

PREPAY_KEPT = timedelta(minutes=90)  # a prepay_id lives about two hours
LOOK_PAUSE = timedelta(seconds=3)  # between two looks at one order that pages ask for
CODE_PATIENCE = timedelta(seconds=45)  # so long a payer may type his password; then the order is undone
USUAL = timedelta(hours=2)
LONGEST = timedelta(days=7)  # the platform's own end of an order
State, Way = PayOrder.State, PayOrder.Way


class PaidAlready(Conflict):
    code, title = "pay.paid_already", _("这笔已经付过了")


class OtherOpen(Conflict):
    code, title = "pay.in_progress", _("这笔正在支付，请稍等")


class NotPayable(Conflict):
    code, title = "pay.not_payable", _("这笔已经不能支付了，请重新下单")


class PayUnavailable(Unavailable):
    code, title = "pay.unavailable", _("微信支付暂时没有应答，请稍后再试")


class CodeRefused(Conflict):
    code, title = "pay.code_refused", _("付款码没有收成，请会员刷新付款码再扫")


def order_for(purpose: str, subject: str) -> PayOrder | None:
    """Return the newest order of a subject."""
    return PayOrder.objects.filter(purpose=purpose, subject=subject).order_by("-pk").first()


@transaction.atomic
def begin(
    *, purpose: str, subject: str, amount_fen: int, description: str, way: str, now: datetime, payer_openid: str = "",
    expires_at: datetime | None = None, store_code: str = "",
) -> PayOrder:  # fmt: skip
    """Write the order under its number; nobody is called. Asked for again in the same words it is the same order.

    In other words (another way, amount or payer) the open one is closed, without an event, and a new one takes its place.
    Raises PaidAlready. `expires_at` is 2 hours on unless given; a payment code has 45 seconds.
    """
    held = (
        PayOrder.objects.select_for_update()
        .filter(purpose=purpose, subject=subject, state__in=[*PayOrder.OPEN, State.PAID])
        .first()
    )
    if held is not None:
        if held.state == State.PAID:
            raise PaidAlready()
        is_same = (held.way, held.amount_fen, held.payer_openid) == (way, amount_fen, payer_openid)
        if is_same and held.expires_at > now and way != Way.CODEPAY:
            return held
        if held.way == Way.CODEPAY and held.state == State.PAYING and held.expires_at > now:
            raise OtherOpen()  # the member types his password
        _give_up(held, now=now, why="换一种付法")
    ends_at = now + CODE_PATIENCE if way == Way.CODEPAY else min(expires_at or now + USUAL, now + LONGEST)
    account = configured()
    try:
        with transaction.atomic():
            return PayOrder.objects.create(
                out_trade_no=new_number("P", now), mchid=account.mchid, appid=account.appid, way=way, purpose=purpose,
                subject=subject, amount_fen=amount_fen, description=description[:127], store_code=store_code,
                payer_openid=payer_openid, created_at=now, expires_at=ends_at, next_look_at=ends_at + settling.AFTER_EXPIRY,
            )  # fmt: skip
    except IntegrityError:  # somebody began at the same moment
        raise OtherOpen() from None


def prepay(order: PayOrder, *, now: datetime) -> dict[str, Any]:
    """Tell the platform of the order and return what the payer's side needs: call with no transaction open.

    jsapi: the arguments of wx.requestPayment; native: {"code_url"}. Safe to call again. Raises NotPayable, PaidAlready,
    PayUnavailable (nobody knows; the same call again is right).
    """
    order.refresh_from_db()
    _refuse_over(order, now)
    door = gateway.default()
    if not (order.prepaid_at and now - order.prepaid_at < PREPAY_KEPT):
        _watch(order, now)
        try:
            if order.way == Way.JSAPI:
                told = {"prepay_id": door.order_jsapi(**_words(order), openid=order.payer_openid)}
            elif order.way == Way.NATIVE:
                told = {"code_url": door.order_native(**_words(order))}
            else:
                raise ValueError("a payment code is taken by take_code")
        except PayError as error:
            raise _refused(order, error, now) from None
        with transaction.atomic():
            held = PayOrder.objects.select_for_update().get(pk=order.pk)
            PayOrder.objects.filter(pk=order.pk).update(prepaid_at=now, **told)
            if held.state == State.CREATED:
                move(held, State.PAYING, by="call", now=now)
        order.refresh_from_db()
        _refuse_over(order, now)
    if order.way == Way.NATIVE:
        return {"code_url": order.code_url, "out_trade_no": order.out_trade_no}
    # The platform compares this with its own clock, not with ours.
    return door.request_payment(order.prepay_id, nonce=secrets.token_hex(16), at=clock.system_now())


def read_code(typed: str) -> str:
    """Return the digits of a payment code as it was scanned or typed. Raises CodeRefused for what is none."""
    code = "".join(typed.split())[:32]
    if not (code.isascii() and code.isdigit() and 16 <= len(code) <= 24):
        raise CodeRefused(_("没有扫到付款码，请再扫一次"))
    return code


def take_code(order: PayOrder, auth_code: str, *, now: datetime) -> PayOrder:
    """Charge the payment code the member shows; returns the order, paid, or still `paying` while he types his password.

    Call with no transaction open. Raises CodeRefused when the code is no good: the order is over, the next needs `begin`.
    """
    order.refresh_from_db()
    _refuse_over(order, now)
    _watch(order, now)
    try:
        said = gateway.default().take_code(
            out_trade_no=order.out_trade_no, description=order.description, amount_fen=order.amount_fen, auth_code=auth_code,
            store_code=order.store_code,
        )  # fmt: skip
    except PayError as error:
        if error.code == USER_PAYING or error.may_have_happened:
            return settling.mark_paying(order.pk, by="call", now=now)
        if error.kind is Kind.TRANSIENT:
            raise PayUnavailable() from None
        settling.end(order.pk, by="call", now=now, why=error.code or str(error.status))
        raise CodeRefused() from None
    return settling.take_payment(said, by="call", now=now) or order


@transaction.atomic
def close(order: PayOrder, *, now: datetime, why: str = "") -> PayOrder:
    """Give the order up, in the business transaction. A job closes it at the platform; what is paid all the same goes back.

    Publishes nothing: the caller knows. Raises PaidAlready: then it is refunded, not closed. Closed already is fine.
    """
    held = PayOrder.objects.select_for_update().get(pk=order.pk)
    if held.state in PayOrder.TAKEN:
        raise PaidAlready()
    if held.is_open:
        _give_up(held, now=now, why=why)
    return held


def _give_up(order: PayOrder, *, now: datetime, why: str) -> None:
    move(order, State.CLOSED, by="business", now=now, why=why, closed_at=now, next_look_at=now, looks=0)


def look(order: PayOrder, *, now: datetime) -> PayOrder:
    """Ask the platform now, at most every 3 seconds whoever asks, and return the order as it stands. No transaction open.

    Pages that wait call it. A platform that does not answer changes nothing.
    """
    asked = PayOrder.objects.filter(
        Q(looked_at=None) | Q(looked_at__lte=now - LOOK_PAUSE), pk=order.pk, state__in=PayOrder.OPEN
    ).update(looked_at=now, looks=F("looks") + 1)
    if asked:
        settling.ask(PayOrder.objects.get(pk=order.pk), now=now)
    order.refresh_from_db()
    return order


def recheck(numbers: Sequence[str], *, now: datetime) -> int:
    """Ask the platform once more about orders that others say are paid; return how many were answered. No transaction open."""
    orders = PayOrder.objects.filter(out_trade_no__in=numbers, transaction_id=None).order_by("pk")
    return sum(settling.ask(order, now=now) for order in orders)


def _watch(order: PayOrder, now: datetime) -> None:
    """Before the call: from now on the platform may know the order, whatever becomes of us."""
    PayOrder.objects.filter(pk=order.pk, state__in=PayOrder.OPEN).update(
        next_look_at=settling.next_look(now, 0, order.expires_at, way=order.way), looks=0
    )


def _words(order: PayOrder) -> dict[str, Any]:
    """What the platform is told; the same each time, or it is another order to it."""
    return {
        "out_trade_no": order.out_trade_no,
        "description": order.description,
        "amount_fen": order.amount_fen,
        "expires_at": order.expires_at,
    }


def _refuse_over(order: PayOrder, now: datetime) -> None:
    if order.state in PayOrder.TAKEN:
        raise PaidAlready()
    if order.state == State.CLOSED or order.expires_at <= now:
        raise NotPayable()


def _refused(order: PayOrder, error: PayError, now: datetime) -> Conflict | Unavailable:
    if error.code == ORDER_PAID:
        settling.ask(order, now=now)
        return PaidAlready()
    if error.code in (ORDER_CLOSED, NUMBER_USED):
        settling.ask(order, now=now)
        return NotPayable()
    if error.retryable:
        return PayUnavailable()
    if error.kind is Kind.ADMIN:
        return PayUnavailable(_("微信支付没有放行，请联系财务或系统管理员"))
    return NotPayable()
