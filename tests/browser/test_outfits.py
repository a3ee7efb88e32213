"""A guide opens a member's week, swaps a piece and puts the look in the cart; he sees it on his phone; her idea is adopted."""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings

from crm.catalogue.loading import load_catalogue
from crm.catalogue.outfits.loading import load_outfits
from crm.catalogue.outfits.models import LookChoice, LookShare, Outfit, OutfitCredit
from crm.catalogue.outfits.services import share_look
from crm.orders.checkout.models import Sale
from crm.orders.models import Order
from tests.conftest import PC, SandboxControl, TestClock
from tests.core.test_look import FAULTS
from tests.crm.catalogue.outfits.conftest import NOW, bought, stock_all
from tests.factories.crm import make_friend, make_member
from tests.factories.guides import Org, actor, holder_of, make_org, session_of
from tests.factories.portal import H5, token_of
from yejibao.core import clock as product_clock
from yejibao.core import outbox

from .conftest import World, beside, open_chat

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
NARROW = {"width": 360, "height": 780}
HIS_SHOES = ("25FXF102-BK", "26SCS201-WH", "26SKZ901-BK", "26SXZ951-BK")


@pytest.fixture
def org(transactional_db: None, clock: TestClock) -> Org:
    clock.travel(NOW)
    load_catalogue()
    load_outfits(now=NOW)
    made = make_org()
    stock_all(made.store, but=("25WDY603-NV",))
    return made


def test_a_week_is_changed_and_the_look_goes_into_the_cart(org: Org, open_page: Any, shot: Any) -> None:
    member = make_member(owner=org.guide, name="王建平", salutation="王哥", tier_631="core")
    bought(member, *HIS_SHOES)
    make_friend(member)
    page = open_page(NARROW, sessionid=session_of(org.guide), reduced_motion="reduce")
    page.goto(f"/g/members/{member.public_id}/outfits/")
    page.wait_for_selector(".flat .gm")
    shot(page, "outfits-week-360")
    assert page.evaluate(FAULTS) == []
    page.get_by_role("link", name="换掉双面羊毛大衣").click()
    page.wait_for_selector("#sheet-body .pick")
    shot(page, "outfits-swaps-360")
    page.locator("#sheet-body .pick button").first.click()
    page.wait_for_selector("text=还原")
    assert LookChoice.objects.get(member=member).swaps
    page.locator(".days a").nth(2).click()
    page.wait_for_selector(".days a:nth-child(3)[aria-current]")
    shot(page, "outfits-wednesday-360")
    assert page.evaluate(FAULTS) == []
    page.get_by_role("button", name="发给王哥").click()
    page.wait_for_selector("#send-form textarea")
    page.wait_for_timeout(300)
    shot(page, "outfits-send-360")
    page.locator("label[for=send-day]").click()
    assert "周三" in page.input_value("#send-form textarea")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="加购").click()
    page.wait_for_function("!location.pathname.includes('/outfits/')")
    sale = Sale.objects.get()
    assert (sale.member, sale.channel, sale.lines.count() > 0) == (member, "proxy", True)
    shot(page, "outfits-cart-360")


def test_a_look_from_the_chat_is_paid_by_link(
    world: World, pay_sandbox: SandboxControl, client_of: Callable[..., Any], shot: Any, wait_until: Callable[..., None]
) -> None:
    """From his chat she opens his week, puts the whole look in the cart, the link goes out, he pays on his phone."""
    load_catalogue()
    load_outfits(now=product_clock.now())
    stock_all(world.org.store)
    bought(world.member, *HIS_SHOES)
    pay_sandbox.post("clock", now=product_clock.now().isoformat())
    pay_sandbox.post("settings", notice_gaps=[])
    page = client_of(world.guide, PC)
    open_chat(page, "王建平")
    side = beside(page)
    side.get_by_role("link", name="穿搭").click()
    side.get_by_text("给正在聊的这位配一周").click()
    side.get_by_role("button", name="加购").click()
    side.get_by_role("link", name="下一步").click()
    look = {line.sku.style_id for line in Sale.objects.get().lines.select_related("sku")}
    assert len(look) > 1
    side.locator("label.px-way", has_text="发付款链接").click()
    side.get_by_role("button", name="备好单子给").click()
    side.get_by_role("button", name="发确认单给").click()
    side.locator("[data-standing]", has_text="等他打开").wait_for()
    page.locator("#wx-lines [data-phone]").last.click()
    phone = page.frame_locator("#wx-phone iframe")
    phone.get_by_role("button", name="去付").click()
    phone.get_by_role("button", name="微信支付").click()
    phone.locator("#pay-dialog").get_by_role("button", name="确认支付").click()
    wait_until(lambda: (outbox.drain_events(), Sale.objects.get().state == "paid")[1])
    side.locator("[data-standing]", has_text="付好了").wait_for()
    shot(page, "outfits-look-paid")
    order = Order.objects.get(kind="proxy")
    assert (order.guide, order.member, order.lines.count()) == (world.guide, world.member, len(look))


def test_he_sees_his_week_and_buys_what_is_missing(org: Org, open_page: Any, shot: Any, live_server: Any) -> None:
    member = make_member(owner=org.guide, name="王建平", salutation="王哥")
    bought(member, *HIS_SHOES)
    today = product_clock.local_day(NOW)
    share, _text = share_look(
        member, starts_on=today, day=None, words="王哥，周一见客户，西服就是上次那套。", actor=actor(org.guide), now=NOW
    )
    page = open_page(NARROW, reduced_motion="reduce")
    cookie = {"name": settings.MEMBER_COOKIE_NAME, "value": token_of(member, place=H5), "url": live_server.url}
    page.context.add_cookies([cookie])
    page.goto(f"/my/outfits/?s={share.public_id}")
    page.wait_for_selector(".flat .pin")
    shot(page, "outfits-member-360")
    assert page.evaluate(FAULTS) == []
    page.locator("#buy-look label.ck-l").last.click()
    page.get_by_role("button", name="买这").click()
    page.wait_for_url("**/my/pay/*/")
    assert Sale.objects.get().state == "awaiting_member"
    assert LookShare.objects.get().opened_at == NOW


def test_an_idea_of_a_guide_is_adopted_under_her_name(org: Org, open_page: Any, shot: Any) -> None:
    page = open_page(NARROW, sessionid=session_of(org.guide), reduced_motion="reduce")
    page.goto("/g/outfits/propose/")
    for code in ("25FXF101-NV", "26SCS202-WH", "26SXZ951-BR"):
        page.fill("#goods-q", code)
        page.wait_for_selector(f"#goods-found :text('{code}')")
        page.locator("#goods-found [data-pick]").first.click()
        page.wait_for_selector(f"#board :text('{code}')")
    page.wait_for_selector("text=成套了")
    page.fill("input[name=name]", "藏青配白")
    page.locator("label[for=s-3]").click()
    page.locator("label[for=o-2]").click()
    page.fill("textarea[name=reason]", "藏青显气色，白衬衫提亮，开会和见客户都压得住")
    shot(page, "outfits-propose-360")
    assert page.evaluate(FAULTS) == []
    page.get_by_role("button", name="投给搭配师").click()
    page.wait_for_selector("text=搭配师还在看")

    desk = open_page(PC, sessionid=session_of(holder_of("stylist", org)))
    desk.goto("/hq/outfits/?state=proposed")
    shot(desk, "outfits-library-pc")
    assert desk.evaluate(FAULTS) == []
    desk.get_by_role("link", name="藏青配白").click()
    desk.wait_for_selector("#board .pick")
    shot(desk, "outfits-edit-pc")
    assert desk.evaluate(FAULTS) == []
    desk.get_by_role("button", name="采纳并发布").click()
    desk.wait_for_selector("text=采纳了")
    assert (Outfit.objects.get(author=org.guide).state, OutfitCredit.objects.get().points) == ("published", 20)
    page.reload()
    page.wait_for_selector("text=成长分 +20")
    shot(page, "outfits-adopted-360")
    page.goto("/g/outfits/")
    shot(page, "outfits-home-360")
    assert page.evaluate(FAULTS) == []
