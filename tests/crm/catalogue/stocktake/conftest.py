"""新街口店 with a suit (five on the book) and a shirt (ten), 林晓雯 and 李敏 who count, and 陈国栋 who looks after it."""

from dataclasses import dataclass

import pytest

from crm.catalogue.models import Sku
from crm.catalogue.stocktake.models import Stocktake
from crm.catalogue.stocktake.services import close_round
from guides.org.models import Staff
from tests.conftest import TestClock
from tests.factories.guides import Org, actor, make_org, make_staff
from tests.factories.stocktake import SHIRT, SUIT, Phone, begin, make_sku, put_on_book


@dataclass
class Shop:
    org: Org
    other: Staff
    suit: Sku
    shirt: Sku
    clock: TestClock


@pytest.fixture
def shop(db: None, clock: TestClock) -> Shop:
    now = clock.travel("2026-11-23 09:40")
    org = make_org()
    suit = make_sku(SUIT, price_fen=258000)
    shirt = make_sku(SHIRT, size="40", name="免烫衬衫", category_l1="衬衫", color="白", price_fen=49900)
    put_on_book(org.store, suit, 5, as_of=now)
    put_on_book(org.store, shirt, 10, as_of=now)
    clock.advance(minutes=20)
    return Shop(org, make_staff("guide", store=org.store, name="李敏"), suit, shirt, clock)


def both(shop: Shop) -> tuple[Stocktake, Phone, Phone]:
    stocktake = begin(shop.org.store, shop.org.manager, [shop.org.guide, shop.other])
    return stocktake, Phone(stocktake, shop.org.guide), Phone(stocktake, shop.other, zone="B 区")


def counted(shop: Shop, *, suits: int = 4, shirts: int = 10) -> Stocktake:
    """Return a stocktake two people counted, closed."""
    stocktake, mine, hers = both(shop)
    mine.scan(SUIT, quantity=suits)
    mine.bring()
    hers.scan(SHIRT, quantity=shirts)
    hers.bring()
    return close_round(stocktake, actor=actor(shop.org.manager), now=shop.clock.advance(minutes=1))
