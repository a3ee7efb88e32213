"""盘点 by two phones: one of them is ten minutes without the net; nothing counts twice, what differs is counted again, approved."""

import os
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from crm.catalogue.item_models import ItemBatch, ItemCode
from crm.catalogue.stock_models import StockMovement
from crm.catalogue.stocktake.models import Stocktake, StocktakeLine, StocktakeScan
from crm.catalogue.stocktake.services import close_round
from guides.org.models import Staff
from tests.conftest import PHONE, TestClock
from tests.core.test_look import FAULTS
from tests.factories.guides import Org, actor, make_org, make_staff, session_of
from tests.factories.stocktake import SHIRT, SUIT, Phone, begin, make_sku, put_on_book
from yejibao.core import clock as product_clock
from yejibao.core.clock import parse_iso

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SMALL = {"width": 360, "height": 780}


@pytest.fixture
def org(transactional_db: None, clock: TestClock) -> Org:
    now = clock.travel(parse_iso("2026-11-23 09:40"))
    org = make_org()
    suit = make_sku(SUIT, price_fen=258000)
    shirt = make_sku(SHIRT, size="40", name="免烫衬衫", category_l1="衬衫", color="白", price_fen=49900)
    put_on_book(org.store, suit, 3, as_of=now)
    put_on_book(org.store, shirt, 12, as_of=now)
    batch = ItemBatch.objects.create(key="labels", made_at=now, count=3)
    ItemCode.objects.bulk_create(ItemCode(code=f"YJB0000{n}", sku=suit, batch=batch) for n in (1, 2, 3))
    clock.advance(minutes=20)
    return org


@pytest.fixture
def phone(open_page: Callable[..., Any]) -> Callable[..., Any]:
    def make(person: Staff, size: dict[str, int] = SMALL) -> Any:
        return open_page(size, sessionid=session_of(person), reduced_motion="reduce")

    return make


def shot(page: Any, name: str) -> None:
    if folder := os.environ.get("SHOTS"):
        page.wait_for_timeout(300)
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def scan(page: Any, *codes: str) -> None:
    for code in codes:
        page.locator("[data-entry] input").fill(code)
        page.locator("[data-entry] input").press("Enter")


def counted(page: Any, number: int) -> None:
    page.wait_for_function("number => document.querySelector('[data-mine]').textContent === String(number)", arg=number)


def test_two_phones_one_of_them_without_the_net(
    org: Org, phone: Callable[..., Any], clock: TestClock, wait_until: Callable[..., None]
) -> None:
    other = make_staff("guide", store=org.store, name="李敏")
    boss = phone(org.manager, PHONE)
    boss.goto("/m/stocktakes/new/")
    shot(boss, "stocktake-new")
    for person in (org.guide, other):
        boss.locator(f"label[for=p{person.pk}]").click()
    boss.get_by_role("button", name=re.compile("开盘点")).click()
    boss.wait_for_url(re.compile(r"/m/stocktakes/[0-9a-f-]{36}/"))
    stocktake = Stocktake.objects.get()

    mine, hers = phone(org.guide), phone(other)
    mine.goto(f"/g/stocktakes/{stocktake.public_id}/")
    mine.get_by_role("button", name="开始盘点").click()
    for page in (mine, hers):
        page.goto(f"/g/stocktakes/{stocktake.public_id}/")
        page.wait_for_selector("html[data-warm]")
    mine.get_by_role("button", name="A 区").click()
    hers.get_by_role("button", name="库房").click()
    scan(mine, "YJB00001")
    wait_until(lambda: StocktakeScan.objects.count() == 1)
    mine.get_by_text("都传上去了").wait_for()

    hers.context.set_offline(True)
    hers.reload()  # the stockroom: the page opens from the phone
    hers.wait_for_selector("html[data-ready]")
    scan(hers, "YJB00001", "YJB00002", "6901234567892")
    hers.get_by_role("button", name="输件数").click()
    hers.locator("#pad [name=code]").fill(SHIRT)
    hers.locator("[data-pad-name]").get_by_text("免烫衬衫").wait_for()
    for key in "10":
        hers.locator(f"[data-key='{key}']").click()
    hers.get_by_role("button", name="记下").click()
    scan(hers, "YJB00003")
    hers.get_by_role("button", name="撤销上一次").click()
    hers.get_by_text("等着上传 4").wait_for()
    assert hers.evaluate(FAULTS) == []
    shot(hers, "stocktake-offline")
    hers.reload()  # closed and opened again: everything is still there
    hers.wait_for_selector("html[data-ready]")
    hers.get_by_text("等着上传 4").wait_for()
    assert StocktakeScan.objects.count() == 1
    clock.advance(minutes=10)

    hers.context.set_offline(False)
    hers.get_by_text("都传上去了").wait_for()
    hers.get_by_text("这件只算一次").wait_for()
    hers.get_by_text("没有这个货号").wait_for()
    counted(hers, 11)  # a suit of her own, and ten shirts
    counted(mine, 1)
    mine.get_by_text("一共 12 件").wait_for()  # the other phone sees it live
    shot(mine, "stocktake-together")
    early = StocktakeScan.objects.filter(code="YJB00002").get()
    assert early.received_at - early.scanned_at >= timedelta(minutes=9)

    asked: list[str] = []
    mine.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
    mine.get_by_role("button", name="盘完了").click()
    mine.wait_for_url(re.compile(r"/g/stocktakes/$"))
    assert asked and "也盘完了吗" in asked[0]  # it ends for both
    boss.goto(f"/m/stocktakes/{stocktake.public_id}/")
    differing = dict(StocktakeLine.objects.values_list("sku__code", "difference"))
    assert differing == {SUIT: -1, SHIRT: -2}
    boss.get_by_text("6901234567892").wait_for()
    assert boss.evaluate(FAULTS) == []
    shot(boss, "stocktake-differences")
    boss.locator(f"[data-line='{SHIRT}'] .ck").click()
    boss.locator("[name=recounter]").select_option(str(org.guide.pk))
    boss.get_by_role("button", name="请他复盘").click()
    boss.get_by_text("林晓雯 在复盘").wait_for()

    mine.goto(f"/g/stocktakes/{stocktake.public_id}/")
    mine.get_by_text("再数一遍").wait_for()
    mine.wait_for_selector("html[data-ready]")
    scan(mine, *[SHIRT] * 12)
    counted(mine, 12)
    mine.get_by_text("都传上去了").wait_for()
    mine.get_by_role("button", name="复盘完了").click()
    mine.wait_for_url(re.compile(r"/g/stocktakes/$"))
    boss.goto(f"/m/stocktakes/{stocktake.public_id}/")
    boss.get_by_role("button", name="没问题，入账").click()
    boss.get_by_text("陈国栋批的").wait_for()
    shot(boss, "stocktake-approved")
    stocktake.refresh_from_db()
    assert (stocktake.state, stocktake.loss_pieces, stocktake.gain_pieces) == ("approved", 1, 0)
    assert list(StockMovement.objects.values_list("sku__code", "change", "kind")) == [(SUIT, -1, "counted")]
    assert product_clock.now() >= stocktake.ended_at


def test_pages_fit_a_phone_of_360(org: Org, phone: Callable[..., Any], clock: TestClock) -> None:
    other = make_staff("guide", store=org.store, name="李敏")
    planned = begin(org.store, org.manager, [org.guide, other])
    mine, hers = Phone(planned, org.guide), Phone(planned, other)
    for one in (mine, hers):
        one.scan(SHIRT, quantity=5)
        one.scan("6901234567892")
        one.bring()
    page = phone(org.guide)
    for name, path in {"own": "/g/stocktakes/", "count": f"/g/stocktakes/{planned.public_id}/"}.items():
        page.goto(path)
        page.get_by_text("全店").first.wait_for()
        assert page.evaluate(FAULTS) == [], path
        shot(page, f"stocktake-{name}-360")
    boss = phone(org.manager)
    at = f"/m/stocktakes/{planned.public_id}/"
    boss.goto(at)
    boss.get_by_text("没传").or_(boss.get_by_text("件 ·")).first.wait_for()
    assert boss.evaluate(FAULTS) == []
    shot(boss, "stocktake-live-360")
    mine.scan(SUIT)
    close_round(planned, actor=actor(org.manager), anyway=True, now=clock.advance(minutes=1))
    mine.bring()
    for name, path in {"list": "/m/stocktakes/", "new": "/m/stocktakes/new/", "clash": at}.items():
        boss.goto(path)
        boss.locator("main").wait_for()
        assert boss.evaluate(FAULTS) == [], path
        shot(boss, f"stocktake-{name}-360")
    boss.get_by_text("收盘后又到了 1 件").wait_for()
    boss.get_by_text("两个人在一个区都数过").wait_for()
