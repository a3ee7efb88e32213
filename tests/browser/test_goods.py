"""A customer asks for 180/96A: it is missing here, the store near by has it, says yes, and sends it."""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings

from crm.catalogue.loading import load_product_tags
from crm.catalogue.models import StyleColor
from crm.catalogue.stock_models import Reservation, TransferRequest, Warehouse
from guides.notices.models import Notification
from tests.conftest import PC, PHONE, TestClock
from tests.core.test_look import FAULTS
from tests.factories.crm import make_member
from tests.factories.goods import SIZE, make_goods, make_stock, place_store
from tests.factories.guides import Org, holder_of, make_org, session_of
from tests.factories.portal import H5, token_of
from yejibao.core.clock import parse_iso

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
NOW = parse_iso("2026-11-24 14:05")
SMALL = {"width": 360, "height": 780}


@pytest.fixture
def org(transactional_db: None, clock: TestClock) -> Org:
    clock.travel(NOW)
    org = make_org()
    load_product_tags()
    place_store(org.store, 32.041, 118.784, now=NOW)
    place_store(org.other_store, 32.052, 118.793, now=NOW)
    return org


@pytest.fixture
def suit(org: Org) -> StyleColor:
    """The navy suit: everything but 180/96A here, two of it near by, and the warehouse is full."""
    suit = make_goods(fabric_detail="羊毛70% 聚酯纤维28% 氨纶2%", fit="修身", occasions=["商务", "通勤"])
    make_goods("25FXF101-CG", color="炭灰", color_family="灰")
    then = NOW - timedelta(hours=7)
    for size in suit.skus.values_list("size", flat=True):
        make_stock(suit, org.store, 0 if size == SIZE else 2, size=size, as_of=then)
    make_stock(suit, org.other_store, 2, as_of=then)
    make_stock(suit, Warehouse.objects.create(code="WH1", name="华东总仓", city="苏州"), 24, as_of=then)
    return suit


def keep(page: Any, name: str) -> None:
    if folder := os.environ.get("SHOTS"):
        page.wait_for_timeout(400)
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def test_a_missing_size_comes_from_the_store_near_by(org: Org, suit: StyleColor, open_page: Callable[..., Any]) -> None:
    guide = open_page(SMALL, sessionid=session_of(org.guide), reduced_motion="reduce")
    guide.goto("/g/goods/")
    assert guide.evaluate(FAULTS) == []
    guide.get_by_label("找货品").fill("藏青套西")
    guide.get_by_text("抗皱羊毛修身套西").first.wait_for()
    keep(guide, "goods-list")
    guide.locator("#found a.gd-card", has_text="藏青").first.click()
    guide.get_by_role("link", name="180/96A").click()
    assert "没有" in guide.locator(".loc").first.inner_text() and "邻店 2" in guide.locator(".size.on").inner_text()
    assert guide.evaluate(FAULTS) == []
    keep(guide, "goods-style")
    guide.get_by_role("button", name="向观前店调一件").click()
    guide.get_by_text("等回复").wait_for()
    neighbour = open_page(PHONE, sessionid=session_of(org.stranger), reduced_motion="reduce")
    neighbour.goto("/g/goods/transfers/")
    neighbour.get_by_role("button", name="同意").click()
    neighbour.get_by_text("同意，待发出").wait_for()
    assert neighbour.evaluate(FAULTS) == []
    keep(neighbour, "goods-transfers")
    neighbour.get_by_role("button", name="发出").click()
    neighbour.get_by_text("在路上").wait_for()
    guide.goto("/g/goods/transfers/?side=ours")
    guide.get_by_role("button", name="收到").click()
    guide.get_by_text("已收到").wait_for()
    assert TransferRequest.objects.get().state == "received"
    guide.goto(f"/g/goods/{suit.pk}/?size={SIZE}")
    assert "1 件" in guide.locator(".loc").first.inner_text()


def test_a_piece_is_kept_for_a_member_found_by_name(org: Org, suit: StyleColor, open_page: Callable[..., Any]) -> None:
    make_member(owner=org.guide, name="王建平")
    page = open_page(SMALL, sessionid=session_of(org.guide), reduced_motion="reduce")
    page.goto(f"/g/goods/{suit.pk}/?size=175/92A")
    page.get_by_role("button", name="留货").click()
    page.get_by_label("找会员").fill("王建")
    page.locator("[data-member]", has_text="王建平").click()
    keep(page, "goods-keep")
    page.get_by_role("button", name="留 1 件").click()
    page.wait_for_selector("text=给王建平留好了")
    assert Reservation.objects.get().sku.size == "175/92A"


def test_hq_plans_a_price_at_the_pc(org: Org, suit: StyleColor, open_page: Callable[..., Any]) -> None:
    page = open_page(PC, sessionid=session_of(holder_of("hq_merch", org)), reduced_motion="reduce")
    page.goto("/hq/goods/")
    assert page.evaluate(FAULTS) == []
    keep(page, "goods-hq")
    page.get_by_text("25FXF101-NV").click()
    page.get_by_label("价格（元）").fill("1999")
    page.get_by_label("到哪天（含）").fill("2026-11-30")
    page.get_by_role("button", name="排上").click()
    page.get_by_role("cell", name="¥1,999").wait_for()
    assert page.evaluate(FAULTS) == []
    keep(page, "goods-hq-style")


def test_a_member_scans_a_garment_and_asks_for_it(
    org: Org, suit: StyleColor, open_page: Callable[..., Any], live_server: Any
) -> None:
    merch = open_page(PC, sessionid=session_of(holder_of("hq_merch", org)), reduced_motion="reduce")
    merch.goto("/hq/goods/codes/")
    assert merch.evaluate(FAULTS) == []
    merch.get_by_label("SKU").fill("25FXF101-NV-175/92A")
    merch.get_by_label("几个").fill("4")
    merch.get_by_role("button", name="做码并打印").click()
    merch.locator(".gd-label").nth(3).wait_for()
    keep(merch, "goods-sheet")
    code = merch.locator(".gd-label .num").first.inner_text()
    member = make_member(owner=org.guide, name="王建平", store=org.store)
    phone = open_page(SMALL, reduced_motion="reduce")
    cookie = {"name": settings.MEMBER_COOKIE_NAME, "value": token_of(member, place=H5), "url": live_server.url}
    phone.context.add_cookies([cookie])
    phone.goto(f"/i/{code}/")
    assert phone.evaluate(FAULTS) == []
    keep(phone, "goods-item")
    phone.get_by_role("button", name="问我的导购").click()
    phone.wait_for_selector("text=告诉晓雯了")
    assert Notification.objects.get(staff=org.guide).title == "王建平想要抗皱羊毛修身套西"
