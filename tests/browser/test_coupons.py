"""Coupons as people meet them: two taps in the chat, and a batch from HQ's form to the second person's yes."""

from collections.abc import Callable
from typing import Any

import pytest

from crm.benefits.models import Coupon, CouponBatch
from tests.core.test_look import FAULTS
from tests.factories.benefits import give_points, make_batch, make_coupon, make_template
from tests.factories.guides import holder_of, make_org, session_of

from .conftest import World, beside, open_chat, to_list

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
NARROW = {"width": 360, "height": 780}


def test_a_coupon_is_his_with_two_taps(
    world: World, client_of: Callable[..., Any], shot: Callable[..., None], wait_until: Callable[..., None]
) -> None:
    coat = make_template("秋冬大衣满 2000 减 200", amount_fen=20_000, threshold_fen=200_000)
    make_batch(coat, guide_limit=5)
    make_coupon(world.member, make_batch(ways=["claim"]))
    give_points(world.member, 8420)
    page = client_of(world.guide, NARROW)
    to_list(page)
    open_chat(page, "王建平")
    page.locator("#wx-toolbar").click()
    side = beside(page)
    side.locator("#assets-card", has_text="8,420").wait_for()
    side.locator(".botbar a", has_text="券").click()
    side.locator("#coupons-card", has_text="你还有 5 张").wait_for()
    shot(page, "sidebar-coupons-360")
    side.locator("[data-coupon-send]").first.click()
    side.locator("#coupons-card", has_text="你还有 4 张").wait_for()
    side.locator("#assets-card", has_text="2 张").wait_for()
    assert Coupon.objects.get(member=world.member, way="guide").issuer == world.guide
    wait_until(lambda: any("秋冬大衣满 2000 减 200" in str(line) for line in world.chat()))


def test_hq_asks_for_a_batch_and_a_second_person_says_yes(
    transactional_db: None, clock: Any, open_page: Callable[..., Any], shot: Callable[..., None]
) -> None:
    clock.travel("2026-11-21 14:20")
    org = make_org()
    page = open_page({"width": 1280, "height": 900}, sessionid=session_of(holder_of("hq_operator", org)))
    page.goto("/hq/coupons/")
    page.get_by_text("新建券").click()
    page.fill('[name="name"]', "双旦满 3000 减 400")
    page.fill('[name="amount_fen"]', "400")
    page.fill('[name="threshold_fen"]', "300")  # a threshold below what it takes off
    page.get_by_text("建好，接着建批次").click()
    page.get_by_text("门槛不能低于减的金额").wait_for()
    assert page.evaluate(FAULTS) == []
    page.fill('[name="threshold_fen"]', "3000")
    page.get_by_text("建好，接着建批次").click()
    page.fill('[name="stock_count"]', "8000")
    page.fill('[name="closes_on"]', "2027-01-05")
    page.fill('[name="guide_limit"]', "20")
    page.fill('[name="reason"]', "双旦档期")
    shot(page, "coupon-batch-new")
    page.get_by_text("提交审批").click()
    page.get_by_text("等第二个人同意。").wait_for()
    assert page.evaluate(FAULTS) == []
    second = open_page({"width": 1280, "height": 900}, sessionid=session_of(holder_of("hq_crm", org)))
    second.goto("/me/approvals/")
    second.get_by_text("发券「双旦满 3000 减 400」8,000 张").first.click()
    second.locator('button[name="approve"][value="1"]').click()
    second.get_by_text("已同意，这就去办").wait_for()
    page.reload()
    page.locator("h1 + .tag", has_text="进行中").wait_for()
    shot(page, "coupon-batch")
    assert CouponBatch.objects.get().state == "running"
