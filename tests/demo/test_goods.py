"""The goods of the demo: every store has most sizes, the suit of the story is missing where it has to be."""

from typing import Any

import pytest

from crm.catalogue.item_models import ItemCode
from crm.catalogue.models import StylePrice
from crm.catalogue.queries import available
from crm.catalogue.stock_models import Reservation, StockLevel, TransferRequest
from guides.org.models import Staff
from tests.factories.crm import make_member
from yejibao.core.clock import parse_iso
from yejibao.demo import goods
from yejibao.demo.world import build_company

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-11-23 10:10")


def test_the_shelves_are_filled_and_the_newcomers_suit_is_missing_at_hers(clock: Any) -> None:
    clock.travel(NOW)
    build_company(say=lambda _: None, began=NOW)
    guide = Staff.objects.get(wecom_user_id="linxiaowen")
    for _ in range(3):
        make_member(owner=guide)
    goods.build(now=NOW)
    suit = StockLevel.objects.filter(style__sku_code=goods.SUIT, size=goods.SIZE, store__isnull=False)
    assert suit.get(store=guide.store).quantity == 0 and not suit.exclude(store=guide.store).filter(quantity=0).exists()
    shelves = StockLevel.objects.filter(store__isnull=False)
    assert 0.25 < shelves.filter(quantity=0).count() / shelves.count() < 0.45
    assert StockLevel.objects.filter(warehouse__code="WH01").exists()
    assert (Reservation.objects.count(), TransferRequest.objects.count(), ItemCode.objects.count()) == (3, 1, 6)
    assert ItemCode.objects.exclude(registered_at=None).count() == 1 and StylePrice.objects.count() >= 10
    sold = ItemCode.objects.exclude(sold_at=None).first()
    assert sold is not None and available([sold.sku_id], [guide.store_id or 0], now=NOW) is not None
