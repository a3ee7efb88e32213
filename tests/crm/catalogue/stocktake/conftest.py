"""新街口店 with a suit (five on the book) and a shirt (ten), 林晓雯 and 李敏 who count, and 陈国栋 who looks after it."""

from dataclasses import dataclass

import pytest

from crm.catalogue.models import Sku
from guides.org.models import Staff
from tests.conftest import TestClock
from tests.factories.guides import Org, make_org, make_staff
from tests.factories.stocktake import SHIRT, SUIT, make_sku, put_on_book


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
