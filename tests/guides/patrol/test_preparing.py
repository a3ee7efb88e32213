"""数据准备: the figures of a store, to the digit, from what the rooms above know."""

from typing import Any

import pytest
from django.test import Client

from crm.catalogue.models import StyleColor
from crm.catalogue.stock_models import StockLevel
from guides.org.models import Staff
from tests.factories.crm import make_member, make_order
from tests.factories.guides import Org, holder_of, sign_in
from tests.guides.patrol.conftest import NOW

LINE = {
    "item_name": "羊毛大衣",
    "sku_code": "C100",
    "color": "藏青",
    "size": "180/96A",
    "quantity": 1,
    "paid_fen": 120000,
}


def page(person: Staff, org: Org) -> str:
    client = sign_in(Client(headers={"Accept": "text/html"}), person)
    return " ".join(client.get(f"/m/patrol/stores/{org.store.pk}/").content.decode().split())


@pytest.fixture
def sold(org: Org) -> None:
    org.store.area_m2 = 100
    org.store.save()
    old = make_member(owner=org.guide, lifecycle_stage="active", last_purchase_on="2026-11-10", purchase_count=2)
    new = make_member(owner=org.guide, lifecycle_stage="new", last_purchase_on="2026-11-12", purchase_count=1)
    make_member(owner=org.guide, lifecycle_stage="potential")
    make_order(old, paid_at="2026-08-01 15:00", guide=org.guide, lines=[LINE])
    make_order(old, paid_at="2026-11-10 15:00", guide=org.guide, lines=[LINE, LINE | {"line_no": 2}])
    make_order(new, paid_at="2026-11-12 15:00", guide=org.guide, lines=[LINE])


def test_what_a_store_sells(org: Org, sold: None) -> None:
    text = page(holder_of("hq_retail", org), org)
    assert "本月净销售额" in text and "¥3,600" in text, "240,000 + 120,000 fen"
    assert "¥1,800" in text and "1.5" in text, "two orders, three pieces"
    assert "时间进度 66%" in text and "还没有导入目标" in text
    assert "¥36" in text, "坪效: 100 m²"


def test_who_its_members_are(org: Org, sold: None) -> None:
    text = page(holder_of("hq_crm", org), org)
    assert "共 3 人" in text and "67%" in text, "of the members' sales 2,400 of 3,600 by who bought before"
    assert "50%" in text, "one of the two who bought within a year came twice"
    assert "活跃" in text and "商品销存结构" not in text


def test_what_it_has_in_stock(org: Org, sold: None, clock: Any) -> None:
    style = StyleColor.objects.create(
        sku_code="C100", style_no="C1", name="羊毛大衣", category_l1="上装", category_l2="大衣", color="藏青", color_family="蓝",
        size_range="175-185", season="冬", wave="W1", price_fen=200000, care_key="coat",
    )  # fmt: skip
    for size, pieces in (("175/92A", 0), ("180/96A", 7)):
        StockLevel.objects.create(
            store=org.store, style=style, size=size, quantity=pieces, in_transit=1, as_of=NOW, source="erp"
        )
    text = page(holder_of("hq_merch", org), org)
    assert all(words in text for words in ("7 件", "2 件", "3 件", "30%", "在卖却断码", "缺 1 个码")), "3 sold of 10"


def test_a_store_without_anything_says_so(org: Org) -> None:
    text = page(holder_of("hq_retail", org), org)
    assert "这家店还没有这项数据。" in text and "还没有人巡过" in text
