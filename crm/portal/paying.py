"""Paying on the member's own phone: the order at WeChat Pay, and what the phone is given to ask for the password."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest

from crm.orders.checkout.models import Exchange, Sale, SalePayment
from yejibao.core.scope import Actor
from yejibao.wechatpay import services as wechatpay
from yejibao.wechatpay.models import PayOrder

from .models import MemberSession
from .places import find_one


def payer_of(session: MemberSession) -> str:
    """Return the account that pays, as WeChat Pay knows it: the openid of our app, without the app before it."""
    return session.openid.partition(":")[2]


def due_seen(request: HttpRequest) -> int | None:
    """Return the sum in fen that stood on the page when he pressed; None where it cannot be read."""
    given = request.POST.get("due", "")
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 12 else None


def to_pay(order: PayOrder | None, *, now: datetime) -> dict[str, Any]:
    """Return what the phone is told: `params` as `requestPayment` takes them, or that nothing is left to pay.

    Calls WeChat Pay, no transaction open; the same order gives the same. Raises PayUnavailable, NotPayable, PaidAlready.
    """
    if order is None:
        return {"is_over": True}
    return {"is_over": False, "params": dict(wechatpay.prepay(order, now=now))}


def look_at(purpose: str, subject: str, *, now: datetime) -> None:
    """Ask WeChat Pay what became of an open payment: for a page that waits. It is asked every three seconds at most."""
    order = wechatpay.order_for(purpose, subject)
    if order is not None and order.is_open:
        wechatpay.look(order, now=now)


def waited_for(row: Sale | Exchange) -> PayOrder | None:
    """Return the order at WeChat Pay a sale or an exchange waits for; None where it waits for none."""
    waiting = row.payments.filter(way=SalePayment.Way.WECHAT_LINK, state=SalePayment.State.WAITING).first()
    return PayOrder.objects.filter(pk=waiting.pay_order_id).first() if waiting and waiting.pay_order_id else None


# ---------------------------------------------------------------- what another piece costs more


def exchange_of(actor: Actor, public_id: UUID) -> Exchange:
    """Return an exchange of the member's own. Raises NotFound."""
    rows = Exchange.objects.visible_to(actor)
    return find_one(rows.select_related("sku__style", "order", "store", "ticket"), public_id)


def look_at_exchange(row: Exchange, *, now: datetime) -> str:
    """Ask what became of a payment that is waited for; return the exchange's state, `paying` while WeChat has not said."""
    if (order := waited_for(row)) is None:
        return row.state
    look_at(order.purpose, order.subject, now=now)
    row.refresh_from_db(fields=["state"])
    return "paying" if row.state == Exchange.State.AWAITING_PAYMENT else row.state
