"""A company with the demo's goods and the library of the domain file; stock where a test puts it."""

from datetime import datetime
from typing import Any

import pytest

from crm.catalogue.loading import load_catalogue
from crm.catalogue.models import Sku, StyleColor
from crm.catalogue.outfits.loading import load_outfits
from crm.catalogue.stock_models import StockLevel
from guides.org.models import Store
from tests.conftest import TestClock
from tests.factories.crm import make_order
from tests.factories.guides import Org, make_org
from yejibao.core.clock import parse_iso

NOW = parse_iso("2026-11-23 10:10")  # a Monday
SIZES = {"西服": "180/96A", "衬衫": "41", "裤装": "33", "鞋": "42"}
HUNG = (*SIZES.values(), "110", "F")  # sizes that hang somewhere


@pytest.fixture
def org(db: None, clock: TestClock) -> Org:
    clock.travel(NOW)
    load_catalogue()
    load_outfits(now=NOW)
    return make_org()


def stock_all(store: Store, *, quantity: int = 3, but: tuple[str, ...] = ()) -> None:
    """Let everything hang in a store in the sizes these tests ask for, but for some style-colours."""
    StockLevel.objects.bulk_create(
        StockLevel(store=store, style_id=style, size=size, quantity=quantity, as_of=NOW, source="test")
        for style, size in Sku.objects.filter(size__in=HUNG)
        .exclude(style__sku_code__in=but)
        .values_list("style_id", "size")
    )


def bought(member: Any, *codes: str, at: datetime | str = "2026-03-12 15:00", **facts: Any) -> Any:
    """Let him have bought style-colours in the sizes he wears."""
    lines = []
    for code in codes:
        style = StyleColor.objects.get(sku_code=code)
        lines.append(
            {
                "sku_code": code, "item_name": style.name, "color": style.color, "family": style.category_l1,
                "size": SIZES.get(style.category_l1, "180/96A"), "care_key": style.care_key, "paid_fen": style.price_fen,
            }
        )  # fmt: skip
    return make_order(member, paid_at=at, lines=lines, **facts)
