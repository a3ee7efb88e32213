"""His suit as the catalogue has it, in two sizes, and another style he might take instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from crm.catalogue.models import Sku
from tests.factories.crm import make_style
from tests.factories.goods import make_stock

if TYPE_CHECKING:
    from . import ExampleWorld


def build(it: ExampleWorld) -> None:
    facts = {"category_l1": "西服", "category_l2": "精纺羊毛西服"}
    mine = make_style(
        it.line.sku_code, name=it.line.item_name, color=it.line.color, price_fen=it.line.paid_fen, **facts
    )
    other = make_style("Y26XZ02-GR", name="羊毛双排扣西服", color="深灰", price_fen=298000, **facts)
    for style, size in ((mine, "180/96A"), (mine, "185/100A"), (other, "180/96A")):
        Sku.objects.create(code=f"{style.sku_code}-{size}", style=style, size=size)
        make_stock(style, it.org.store, 2, size=size, as_of=it.now)


PREPARE: dict[str, Callable[[ExampleWorld], None]] = {}
