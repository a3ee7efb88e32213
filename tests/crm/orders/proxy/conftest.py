"""林晓雯 at 新街口店 with a coat and a shirt on the shelf; her member 王建平 with 2,000 on his card and a coupon."""

from dataclasses import dataclass

import pytest

from crm.catalogue.models import Sku
from crm.members.models import Member
from crm.orders.checkout.models import Sale
from crm.orders.checkout.services import add_lines
from crm.orders.proxy.models import ProxyOrder
from crm.orders.proxy.services import open_basket, send_order
from tests.conftest import TestClock
from tests.factories.checkout import give_card, make_sku
from tests.factories.crm import make_friend, make_member
from tests.factories.guides import Org, actor, make_org
from tests.factories.portal import as_member
from yejibao.core import clock as product_clock
from yejibao.core.scope import Actor


@dataclass
class Deal:
    org: Org
    member: Member
    coat: Sku
    shirt: Sku
    clock: TestClock

    @property
    def guide(self) -> Actor:
        return actor(self.org.guide)

    @property
    def he(self) -> Actor:
        return as_member(self.member)

    def basket(self, *codes: str) -> Sale:
        sale = open_basket(self.member, actor=self.guide, now=product_clock.now())
        lines = [(code, 1) for code in codes or (self.coat.code,)]
        return add_lines(sale, lines, actor=self.guide, now=product_clock.now())

    def send(self, *codes: str, way: str = "link", **facts: object) -> ProxyOrder:
        facts = {"delivery": "pickup"} | facts
        return send_order(self.basket(*codes), way=way, actor=self.guide, now=product_clock.now(), **facts)  # type: ignore[arg-type]


@pytest.fixture
def deal(db: None, clock: TestClock) -> Deal:
    clock.travel("2026-11-23 10:10")
    org = make_org()
    member = make_member(owner=org.guide, name="王建平", salutation="王哥", phone="13800132075")
    make_friend(member)
    give_card(member, 200000)
    coat = make_sku(189900, store=org.store, pieces=2, name="轻暖羽绒服", category_l1="羽绒", category_l2="羽绒服")
    shirt = make_sku(49900, store=org.store, pieces=5, name="免烫衬衫", category_l1="衬衫", category_l2="衬衫")
    return Deal(org, member, coat, shirt, clock)
