"""A store with goods, the guide who sells, and a member who has points, a card and a coupon."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from crm.catalogue.models import Sku
from crm.members.models import Member
from crm.orders.checkout import services
from crm.orders.checkout.models import Sale
from tests.conftest import TestClock
from tests.factories import checkout as make
from tests.factories.crm import make_member
from tests.factories.guides import Org, actor, make_org
from yejibao.core import clock
from yejibao.core.scope import Actor


@dataclass
class Shop:
    """One store at 15:00 on a Sunday, and short ways to what one does there."""

    org: Org
    member: Member
    suit: Sku
    shirt: Sku
    guide: Actor = field(init=False)
    manager: Actor = field(init=False)

    def __post_init__(self) -> None:
        self.guide, self.manager = actor(self.org.guide), actor(self.org.manager)

    def sale(self, *lines: tuple[Sku, int], member: bool = True, channel: str = "till", **choice: Any) -> Sale:
        """Return a basket with these goods and choices."""
        now = clock.now()
        sale = services.start_sale(
            channel=channel, store=self.org.store, guide=self.org.guide, member=self.member if member else None, actor=self.guide,
            now=now,
        )  # fmt: skip
        wanted = [(sku.code, quantity) for sku, quantity in lines or ((self.suit, 1), (self.shirt, 1))]
        services.set_lines(sale, wanted, actor=self.guide, now=now)
        if member and channel == "till":
            services.set_member(sale, self.member, actor=self.guide, now=now, has_shown_code=True)
        if choice:
            services.choose(sale, actor=self.guide, now=now, **choice)
        return Sale.objects.get(pk=sale.pk)

    def paid(self, *lines: tuple[Sku, int], way: str = "cash", **more: Any) -> Sale:
        """Return a sale that is paid over the counter."""
        sale = self.sale(*lines, **more)
        return self.confirm(sale, way=way)

    def confirm(self, sale: Sale, *, way: str = "cash", key: str = "", **more: Any) -> Sale:
        return services.confirm(
            sale, ways=[services.Pay(way)], key=key or f"key:{sale.pk}", actor=self.guide, now=clock.now(), **more
        )


@pytest.fixture
def shop(db: None, clock: TestClock) -> Shop:
    now = clock.travel("2026-03-01 15:00")
    org = make_org()
    member = make_member(owner=org.guide, name="王建平", phone="13800132075")
    make.give_points(member, 8420, now=now)
    make.give_card(member, 200000, 12000, now=now)
    return Shop(
        org, member, make.make_sku(69800, store=org.store), make.make_sku(29800, store=org.store, category_l1="衬衫")
    )
