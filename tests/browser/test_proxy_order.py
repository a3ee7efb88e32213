"""代客下单: from the chat she puts an outfit together for her member, the link goes out with one tap, he pays on his phone."""

from collections.abc import Callable
from typing import Any

import pytest

from crm.catalogue.models import Sku
from crm.catalogue.services import fill_styles
from crm.orders.checkout.models import Sale
from crm.orders.checkout.services import add_lines
from crm.orders.models import Order
from crm.orders.proxy.models import ProxyOrder
from crm.orders.proxy.services import open_basket, send_order
from guides.notices.models import Notification
from tests.conftest import PC, SandboxControl
from tests.core.test_look import FAULTS
from tests.factories.checkout import give_card, give_coupon, make_sku
from tests.factories.guides import actor, session_of
from tests.factories.patrol import picture
from yejibao.core import clock, files, outbox

from .conftest import World, beside, open_chat

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
HIS = "180/96A"


@pytest.fixture
def pay(pay_sandbox: SandboxControl, world: World) -> SandboxControl:
    """WeChat Pay's stand-in on the world's clock; no notice comes, so that the page has to ask."""
    pay_sandbox.post("clock", now=clock.now().isoformat())
    pay_sandbox.post("settings", notice_gaps=[])
    return pay_sandbox


@pytest.fixture
def goods(world: World) -> tuple[Sku, Sku]:
    coat = make_sku(
        189900, size=HIS, store=world.org.store, pieces=2, name="轻暖鹅绒羽绒服", category_l1="羽绒", category_l2="羽绒服",
        size_range="175/92A-185/100A",
    )  # fmt: skip
    scarf = make_sku(
        35900,
        size="F",
        store=world.org.store,
        pieces=3,
        name="羊毛围巾",
        category_l1="配饰",
        category_l2="围巾",
        size_range="F",
    )
    fill_styles()
    return coat, scarf


def test_an_outfit_from_the_chat_is_paid_by_link(
    world: World,
    pay: SandboxControl,
    goods: tuple[Sku, Sku],
    client_of: Callable[..., Any],
    shot: Any,
    wait_until: Callable[..., None],
) -> None:
    give_card(world.member, 86000)
    give_coupon(world.member, 10000, threshold_fen=180000)
    page = client_of(world.guide, PC)
    open_chat(page, "王建平")
    side = beside(page)
    side.get_by_role("button", name="给他下单").wait_for()
    side.locator(".tools a", has_text="下单").click()  # the tool below knows whom the chat is with
    for words, sku in (("羽绒服", goods[0]), ("围巾", goods[1])):
        side.get_by_placeholder("款号、品名、拼音首字母").fill(words)
        side.get_by_placeholder("款号、品名、拼音首字母").press("Enter")
        side.get_by_text(sku.style.name).first.click()
        if sku.size != HIS:
            side.locator(".size").first.click()
        side.get_by_text("现在就能拿给他").wait_for()
        if sku.size == HIS:
            side.get_by_text("他的码").wait_for()
            shot(page, "proxy-basket")
        side.get_by_role("button", name="放进去").click()
        side.get_by_text("放进去了").wait_for()
    frame = page.frame(url=lambda url: "/g/proxy/" in url)
    assert frame is not None and frame.evaluate(FAULTS) == []
    side.get_by_role("link", name="下一步").click()
    side.get_by_text("¥2,158.00").first.wait_for()
    assert frame.evaluate(FAULTS) == []
    shot(page, "proxy-pay")
    side.locator("label.px-way", has_text="发付款链接").click()
    side.get_by_role("button", name="备好单子给").click()
    side.get_by_role("button", name="发确认单给").click()
    side.locator("[data-standing]", has_text="等他打开").wait_for()
    shot(page, "proxy-sent")

    page.locator("#wx-lines [data-phone]").last.click()
    phone = page.frame_locator("#wx-phone iframe")
    phone.get_by_text("轻暖鹅绒羽绒服").wait_for()
    shot(page, "proxy-member")
    phone.get_by_role("button", name="去付").click()
    phone.get_by_role("button", name="微信支付").click()
    phone.locator("#pay-dialog").get_by_role("button", name="确认支付").click()
    wait_until(lambda: (outbox.drain_events(), Sale.objects.get().state == "paid")[1])
    outbox.drain_events()
    phone.get_by_text("付好了").wait_for()
    side.locator("[data-standing]", has_text="付好了").wait_for()
    shot(page, "proxy-paid")

    order = Order.objects.get(kind="proxy")
    assert (order.guide, order.member, order.paid_fen) == (world.guide, world.member, 215800)
    assert sorted(order.lines.values_list("item_name", flat=True)) == sorted(one.style.name for one in goods)
    assert ProxyOrder.objects.get().ended_at is not None
    assert "王建平付好了" in Notification.objects.get(staff=world.guide, kind="goods").title


def test_pages_fit_a_phone_of_360(
    world: World, goods: tuple[Sku, Sku], open_page: Callable[..., Any], shot: Any
) -> None:
    now, who = clock.now(), actor(world.guide)
    kept = files.keep(picture(5), room="proxy", by_id=world.guide.pk, now=now)
    sale = add_lines(open_basket(world.member, actor=who, now=now), [(goods[0].code, 1)], actor=who, now=now)
    proxy = send_order(sale, way="transfer", delivery="express", address="王建平 13800132075 南京市玄武区中山路 1 号",
                       vouchers=[kept.name], actor=who, now=now)  # fmt: skip
    at = f"/g/proxy/{proxy.sale.public_id}/state/"
    pages = {world.guide: {"home": "/g/proxy/", "state": at}, world.org.manager: {"store": "/m/proxy/", "manager": at}}
    for person, paths in pages.items():
        page = open_page({"width": 360, "height": 780}, sessionid=session_of(person))
        for name, path in paths.items():
            page.goto(path)
            page.get_by_text("王建平").first.wait_for()
            assert page.evaluate(FAULTS) == [], path
            shot(page, f"proxy-{name}-360")
