"""Three days of WeChat Pay behind us: sales paid by scanning, one given back, one that cannot be, two days closed, one with
something that does not fit."""

import random
from datetime import datetime, time, timedelta
from typing import Any

from django.conf import settings

from crm.finance.services import close_day, reconcile
from crm.orders.checkout import services as checkout
from crm.orders.checkout.models import RefundPart, Sale
from guides.org.actors import actor_for
from guides.org.models import Staff, Store
from yejibao.core import clock
from yejibao.core.scope import Actor
from yejibao.wechatpay import services as wechatpay
from yejibao.wechatpay.models import PayOrder
from yejibao.wechatpay.services.polling import poll

from .sandbox_control import SandboxControl
from .selling import _basket, _in_stock

SEED = 2011
DAYS = 3
SALES = 3  # a day
AT = time(14, 20)


def build(*, now: datetime) -> None:
    """Let the first store have been paid by WeChat on the days before; without the stand-in nothing is built."""
    control = _stand_in()
    store = Store.objects.filter(closed_on=None).select_related("unit").order_by("code").first()
    boss = Staff.objects.employed().holding("finance", day=clock.local_day(now)).order_by("pk").first()
    if control is None or store is None or boss is None:
        return
    dice, today = random.Random(SEED), clock.local_day(now)
    try:
        for back in range(DAYS, 0, -1):
            day = today - timedelta(days=back)
            with clock.travelled(clock.local_moment(day, AT)):
                sold = [order for place in range(SALES) if (order := _sell(store, dice, place, control))]
                if back == DAYS - 1 and sold:
                    _give_back(sold[0], control)
                if back == 1 and sold:
                    _give_back(sold[0], control, outcome="ABNORMAL")
            if back == 1 and sold:  # the bill of yesterday leaves one out
                control.call("POST", "bill", body={"day": day.isoformat(), "drop": [sold[-1].out_trade_no]})
            with clock.travelled(clock.local_moment(day + timedelta(days=1), time(10, 30))):
                _turn(control, clock.now())
                counted = reconcile(day, now=clock.now())
                if back > 1 and not counted.difference_fen and counted.state == counted.State.COUNTED:
                    close_day(day, actor=actor_for(boss), now=clock.now())
    finally:
        control.call("POST", "clock", body={"now": None})


def _stand_in() -> SandboxControl | None:
    if not settings.WECHATPAY_SANDBOX_CONTROL:
        return None
    control = SandboxControl(settings.WECHATPAY_SANDBOX_CONTROL)
    try:
        control.call("GET", "clock")
    except OSError:
        return None
    return control


def _turn(control: SandboxControl, moment: datetime) -> None:
    control.call("POST", "clock", body={"now": moment.isoformat()})


def _sell(store: Store, dice: random.Random, place: int, control: SandboxControl) -> PayOrder | None:
    """Sell a piece or two; the member scans the code and pays."""
    now = clock.now()
    _turn(control, now)
    people = list(Staff.objects.employed().filter(store=store, role_assignments__role="guide").order_by("pk")[:3])
    skus = _in_stock(store)
    if not people or not skus:
        return None
    basket = _basket(store, people[place % len(people)], dice.sample(skus, min(len(skus), 1 + place % 2)), 1, now)
    assert basket.guide is not None
    sale = checkout.confirm(
        basket, ways=[checkout.Pay("wechat_native")], key=f"demo:{basket.pk}", actor=actor_for(basket.guide), now=now
    )  # fmt: skip
    payment = sale.payments.filter(pay_order_id__isnull=False).first()
    if payment is None:
        return None
    order = PayOrder.objects.get(pk=payment.pay_order_id)
    control.call("POST", "pay", body=_scanned(wechatpay.prepay(order, now=now)))
    order = wechatpay.look(order, now=now)
    checkout.settle_payment(sale, pay_order_id=order.pk, transaction_id=order.transaction_id or "", now=now)
    return order


def _scanned(told: dict[str, Any]) -> dict[str, str]:
    return {"code_url": told["code_url"], "openid": "oDemoScanner"}


def _give_back(order: PayOrder, control: SandboxControl, *, outcome: str = "SUCCESS") -> None:
    """A piece comes back an hour later; the money goes back by WeChat, or gets stuck there."""
    with clock.travelled(clock.now() + timedelta(hours=1)):
        _turn(control, clock.now())
        sale = Sale.objects.get(pk=int(order.subject))
        refund = checkout.refund_lines(
            sale, [(1, 1)], key=f"demo-back:{sale.pk}", actor=Actor.system("demo"), now=clock.now(), note="尺码小了"
        )  # fmt: skip
    control.call("POST", "refunds/next", body={"outcome": outcome})
    for minutes in (62, 64):
        with clock.travelled(order.created_at + timedelta(minutes=minutes)):
            _turn(control, clock.now())
            poll(now=clock.now(), seconds=5)
            for part in RefundPart.objects.filter(refund=refund, pay_refund_id__isnull=False):
                if wechatpay.is_refunded(part.pay_refund_id):
                    checkout.settle_refund(part.pay_refund_id, now=clock.now())
