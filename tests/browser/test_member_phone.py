"""The member's phone in the client: a top-up is confirmed and paid on it, a coupon claimed, what the guide sent is opened from the chat."""

from collections.abc import Callable
from typing import Any

import pytest

from crm.benefits.models import Coupon
from crm.wallet.models import TopUp
from crm.wallet.queries import balance_of
from crm.wallet.services import begin_top_up
from tests.conftest import PC, SandboxControl
from tests.core.test_look import FAULTS
from tests.crm.portal.test_pages import asked
from tests.crm.portal.test_pay_page import offered
from tests.factories.benefits import make_batch, make_template
from tests.factories.checkout import give_card
from tests.factories.guides import actor
from tests.factories.wallet import id_number
from yejibao.core import clock, outbox

from .conftest import World, open_chat

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def pay(pay_sandbox: SandboxControl, world: World) -> SandboxControl:
    """WeChat Pay's stand-in on the world's clock; no notice comes, so that the page has to ask."""
    pay_sandbox.post("clock", now=clock.now().isoformat())
    pay_sandbox.post("settings", notice_gaps=[])
    return pay_sandbox


def test_a_top_up_confirmed_and_paid_and_a_coupon_claimed_on_the_members_phone(
    world: World, pay: SandboxControl, client_of: Callable[..., Any], shot: Any, wait_until: Callable[..., None]
) -> None:
    give_card(world.member, 86000)
    batch = make_batch(make_template("大衣券"))
    held = begin_top_up(
        world.member, tier="t1000", method="wechat", store=world.org.store, guide=world.guide, actor=actor(world.guide), now=clock.now()
    )  # fmt: skip
    page = client_of(world.guide, PC)
    open_chat(page, "王建平")
    base = page.url.split("/sandbox/")[0]
    page.fill("#wx-text", f"王哥，充值在这里确认 {base}/my/top-ups/{held.public_id}/")
    page.locator("#wx-say .btn").click()
    page.locator("[data-phone]").first.click()
    phone = page.frame_locator("#wx-phone iframe")
    phone.get_by_text("¥1,000").first.wait_for()
    shot(page, "member-top-up")

    phone.locator("[name=name]").fill("王建平")
    phone.locator("[name=id_number]").fill(id_number())
    phone.locator("[name=contact]").fill("13800132075")
    phone.locator("label.ck-l").click()
    phone.get_by_role("button", name="确认充 ¥1,000").click()
    phone.get_by_role("button", name="微信支付").click()
    phone.locator("#pay-dialog").get_by_role("button", name="确认支付").click()
    wait_until(lambda: (outbox.drain_events(), TopUp.objects.get().state == "settled")[1])
    phone.get_by_text("充好了").wait_for()
    assert balance_of(world.member).total_fen == 86000 + 105000
    shot(page, "member-top-up-done")

    frame = page.frame(url=lambda url: "/my/" in url)
    assert frame is not None
    frame.goto(f"{base}/my/claim/{batch.public_id}/")
    phone.get_by_role("button", name="领一张").click()
    frame.wait_for_url("**/my/coupons/")
    assert Coupon.objects.get().member == world.member
    frame.goto(f"{base}/my/")
    phone.get_by_text("¥1,910").wait_for()
    shot(page, "member-home")


def test_members_pages_fit_a_phone_of_360(world: World, open_page: Callable[..., Any], shot: Any) -> None:
    give_card(world.member, 86000, 4300)
    batch = make_batch(make_template("大衣券"))
    waiting, sale = asked(world.member, world.org), offered(world.member, world.org)
    page = open_page({"width": 360, "height": 780})
    page.goto("/my/")
    page.get_by_text("从微信小程序进来").wait_for()
    page.get_by_role("link", name="在沙箱里选一位会员").click()
    page.locator(".pick-p", has_text="王建平").click()
    page.locator(".hero").wait_for()
    for name, path in {
        "home": "/my/", "wallet": "/my/wallet/", "refund": "/my/wallet/refund/", "coupons": "/my/coupons/", "points": "/my/points/",
        "orders": "/my/orders/", "privacy": "/my/privacy/", "claim": f"/my/claim/{batch.public_id}/",
        "top-up": f"/my/top-ups/{waiting.public_id}/", "pay": f"/my/pay/{sale.public_id}/",
    }.items():  # fmt: skip
        page.goto(path)
        page.locator("main").wait_for()
        assert page.evaluate(FAULTS) == [], path
        shot(page, f"my-{name}")
