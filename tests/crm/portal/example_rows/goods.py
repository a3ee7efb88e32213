"""Outfits of the domain file with stock in his sizes, what his guide sent him, and two garments with codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from crm.catalogue.item_models import ItemBatch, ItemCode
from crm.catalogue.loading import load_catalogue
from crm.catalogue.models import Sku
from crm.catalogue.outfits.loading import load_outfits
from crm.catalogue.outfits.models import LookShare
from crm.catalogue.stock_models import StockLevel
from crm.portal.item_api import CODE, FRESH
from crm.portal.outfit_api import DAY, SHARE
from tests.factories.crm import make_order

if TYPE_CHECKING:
    from . import ExampleWorld

SIZES = ("180/96A", "41", "33", "42", "110", "F", "均码")


def build(it: ExampleWorld) -> None:
    load_catalogue()
    load_outfits(now=it.now)
    hung = Sku.objects.filter(size__in=SIZES).exclude(style__outfit_role="")
    rows = {(sku.style_id, sku.size): sku for sku in hung.select_related("style")}
    StockLevel.objects.bulk_create(
        StockLevel(store=it.org.store, style_id=style, size=size, quantity=3, as_of=it.now, source="test") for style, size in rows
    )  # fmt: skip
    for category, size in (("衬衫", "41"), ("裤装", "33"), ("鞋", "42")):  # so that his sizes are known
        line = {"item_name": category, "family": category, "size": size, "paid_fen": 10000}
        make_order(it.member, paid_at="2026-05-02 15:00", store=it.org.store, lines=[line])
    LookShare.objects.create(
        public_id=SHARE,
        member=it.member,
        guide=it.org.guide,
        starts_on=DAY,
        day=DAY,
        words="这套给您配好了",
        made_at=it.now,
    )
    sku = Sku.objects.filter(style__category_l1="西服", size="180/96A").order_by("pk")[0]
    batch = ItemBatch.objects.create(key="examples", made_at=it.now, count=2, made_by=it.org.manager)
    ItemCode.objects.create(
        code=CODE, sku=sku, batch=batch, sold_at=it.now, sold_in=it.org.store, member=it.member, registered_at=it.now
    )
    ItemCode.objects.create(code=FRESH, sku=sku, batch=batch, sold_at=it.now, sold_in=it.org.store)


PREPARE: dict[str, Callable[[ExampleWorld], None]] = {}
