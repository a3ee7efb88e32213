"""A day of money: a store, a member, WeChat Pay's stand-in, and whoever is in finance."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pytest

from crm.finance.models import FinanceDay
from crm.finance.services import reconcile
from crm.members.models import Member
from crm.orders.checkout import services as checkout
from crm.orders.checkout.models import Sale, SalePayment
from crm.wallet import services as wallet
from crm.wallet.models import TopUp
from crm.wallet.rules import terms_on
from guides.org.models import Staff
from tests.conftest import SandboxControl
from tests.crm.orders.checkout.conftest import Shop
from tests.factories import checkout as make
from tests.factories.crm import make_member
from tests.factories.guides import actor, holder_of, make_org
from tests.wechatpay.conftest import now, pay, travel  # noqa: F401  fixtures
from yejibao.core import clock, outbox
from yejibao.core.scope import Actor
from yejibao.wechatpay import services as wechatpay
from yejibao.wechatpay.models import PayOrder
from yejibao.wechatpay.services.polling import poll

OPENID = "oPayer0001"
ID_NUMBER = "11010519491231002X"  # the sample of the standard
DAY = date(2026, 11, 20)


@dataclass
class World:
    """Short ways through a day; its clock and the stand-in's are turned together."""

    shop: Shop
    pay: SandboxControl
    travel: Callable[[datetime | str], datetime]
    finance: Staff

    @property
    def member(self) -> Member:
        return self.shop.member

    @property
    def boss(self) -> Actor:
        return actor(self.finance)

    def settle(self, minutes: int = 1) -> None:
        """Let time pass: the tick asks, and the events are handed over."""
        self.travel(clock.now() + timedelta(minutes=minutes))
        poll(now=clock.now())
        outbox.drain_events()

    def pays(self, order: PayOrder) -> None:
        """The member pays on his phone; nobody tells us, the tick finds out."""
        wechatpay.prepay(order, now=clock.now())
        self.pay.post("pay", out_trade_no=order.out_trade_no)
        self.settle()

    def top_up(self, tier: str = "t1000", *, is_paid: bool = True) -> TopUp:
        at = clock.now()
        asked = wallet.begin_top_up(
            self.member, method="wechat", store=self.shop.org.store, guide=self.shop.org.guide, actor=self.shop.guide, now=at, tier=tier
        )  # fmt: skip
        said = wallet.RealName("王建平", ID_NUMBER, "13800132075")
        wallet.confirm_top_up(
            asked, member=self.member, now=at, terms_version=terms_on(clock.local_day(at)).version, real_name=said
        )
        if is_paid:
            self.pays(wallet.pay_order_of(asked, payer_openid=OPENID, now=at))
        asked.refresh_from_db()
        return asked

    def sell(self, *, way: str = SalePayment.Way.WECHAT_LINK, is_paid: bool = True, **choice: object) -> Sale:
        """Sell a suit and a shirt; what the card does not pay comes by WeChat."""
        basket = self.shop.sale(**choice)
        sale = checkout.confirm(
            basket, ways=[checkout.Pay(way, openid=OPENID)], key=f"key:{basket.pk}", actor=self.shop.guide, now=clock.now()
        )  # fmt: skip
        if is_paid and way == SalePayment.Way.WECHAT_LINK:
            self.pays(PayOrder.objects.get(pk=sale.payments.get(pay_order_id__isnull=False).pay_order_id))
        sale.refresh_from_db()
        return sale

    def count(self, day: date = DAY) -> FinanceDay:
        """Turn to 10:30 of the next morning and hold everything against everything."""
        self.travel(f"{day + timedelta(days=1)} 10:30")
        return reconcile(day, now=clock.now())


@pytest.fixture
def world(db: None, pay: SandboxControl, travel: Callable[[datetime | str], datetime]) -> World:  # noqa: F811
    at = travel(f"{DAY} 11:00")
    org = make_org()
    member = make_member(owner=org.guide, name="王建平", phone="13800132075")
    make.give_points(member, 8420, now=at)
    shop = Shop(
        org, member, make.make_sku(69800, store=org.store), make.make_sku(29800, store=org.store, category_l1="衬衫")
    )
    return World(shop, pay, travel, holder_of("finance", org))
