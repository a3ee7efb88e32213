"""Money from the member's phone to the closed day: topped up, spent at the till with coupon and points, half returned, at 0."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as product_settings

from crm.finance.models import FinanceDay
from crm.finance.services import reconcile
from crm.members import shown
from crm.orders.checkout.models import Sale, SaleRefund
from crm.wallet.models import TopUp
from crm.wallet.queries import balance_of
from crm.wallet.services import begin_top_up
from tests.conftest import PC, PHONE, SandboxControl
from tests.core.test_look import FAULTS
from tests.factories import checkout as make
from tests.factories.guides import actor, holder_of, session_of
from tests.factories.portal import H5, token_of
from tests.factories.wallet import id_number
from yejibao.core import clock, outbox
from yejibao.wechatpay import services
from yejibao.wechatpay.models import PayRefund
from yejibao.wechatpay.services.polling import poll

from .conftest import World

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def pay(pay_sandbox: SandboxControl, world: World) -> SandboxControl:
    """WeChat Pay's stand-in on the world's clock; no notice comes, so that pages and the tick have to ask."""
    pay_sandbox.post("settings", notice_gaps=[], refund_seconds=0)
    pay_sandbox.post("clock", now=clock.now().isoformat())
    return pay_sandbox


def test_topped_up_spent_half_returned_and_the_day_closes_at_0(
    world: World, pay: SandboxControl, open_page: Callable[..., Any], shot: Any, wait_until: Callable[..., None]
) -> None:
    org, member = world.org, world.member
    one, other = make.make_sku(69800, store=org.store), make.make_sku(69800, store=org.store)
    make.give_coupon(member, 10000)
    make.give_points(member, 8420)

    # On the member's phone: he reads, gives his real name, confirms, pays.
    held = begin_top_up(
        member, tier="t1000", method="wechat", store=org.store, guide=org.guide, actor=actor(org.guide), now=clock.now()
    )  # fmt: skip
    phone = open_page(PHONE)
    base = product_settings.PUBLIC_BASE_URL
    phone.context.add_cookies(
        [{"name": product_settings.MEMBER_COOKIE_NAME, "value": token_of(member, place=H5), "url": base, "httpOnly": True}]
    )  # fmt: skip
    phone.goto(f"/my/top-ups/{held.public_id}/")
    phone.locator("[name=name]").fill("王建平")
    phone.locator("[name=id_number]").fill(id_number())
    phone.locator("[name=contact]").fill("13800132075")
    phone.locator("label.ck-l").click()
    phone.get_by_role("button", name="确认充 ¥1,000").click()
    phone.get_by_role("button", name="微信支付").click()
    phone.locator("#pay-dialog").get_by_role("button", name="确认支付").click()
    wait_until(lambda: (outbox.drain_events(), TopUp.objects.get().state == "settled")[1])
    phone.get_by_text("充好了").wait_for()

    # At the till: goods, his code, coupon, points, card; what is left he pays by scanning.
    till = open_page(PHONE, sessionid=session_of(org.guide))
    till.goto("/g/till/")
    till.get_by_role("button", name="开单").click()
    for sku in (one, other):
        till.locator(".tl-find [name=code]").fill(sku.code)
        till.locator(".tl-find [name=code]").press("Enter")
        till.locator(f"[name=code][value='{sku.code}'] + button").wait_for()
    till.locator("[data-member-form] [name=q]").first.fill(shown.code_of(member.member_no))
    till.locator("[data-member-form] [name=q]").first.press("Enter")
    till.get_by_text("已出示会员码").wait_for()
    till.locator("[data-open='#till-coupons']").click()
    till.locator("#sheet .tl-row, .sheet .tl-row").first.click()
    till.locator("#basket .c-red", has_text="100").first.wait_for()
    till.locator("#till-points").evaluate(
        "input => { input.value = 5000; input.dispatchEvent(new Event('change', {bubbles: true})); }"
    )
    till.get_by_text("积分 5,000", exact=True).wait_for()
    till.locator("label.sw-l").first.click()
    till.locator(".tl-due", has_text="¥196.00").wait_for()
    till.locator("label[for=way-wechat_native]").click()
    shot(till, "till-basket")
    sale = Sale.objects.get()
    assert till.evaluate(FAULTS) == []
    till.locator("[form=till-pay]").click()
    receipt = f"/g/till/{sale.public_id}/"
    wait_until(lambda: receipt in till.url)
    sale.refresh_from_db()
    assert (sale.wallet_fen, sale.due_fen) == (105000, 19600)
    till.get_by_text("请顾客用微信扫一扫").wait_for()
    wait_until(lambda: any(order["code_url"] for order in pay.get("orders")["orders"]))
    code = next(order["code_url"] for order in pay.get("orders")["orders"] if order["code_url"])
    pay.post("pay", code_url=code, openid="oScanner")
    till.wait_for_url("**/receipt/")
    shot(till, "till-receipt")
    outbox.drain_events()
    sale.refresh_from_db()
    assert (sale.state, sale.coupon_fen, sale.points_fen, sale.paid_fen) == ("paid", 10000, 5000, 124600)

    # One of the two comes back: her manager may take it.
    desk = open_page(PHONE, sessionid=session_of(org.manager))
    desk.goto(f"/g/till/returns/?q={sale.order.number}")
    desk.get_by_role("link", name="退这一单").click()
    desk.locator("[data-more=line-2]").click()
    desk.get_by_text("看过了").click()
    shot(desk, "till-return")
    desk.locator("#return .botbar .btn-p").click()
    wait_until(lambda: SaleRefund.objects.exists())
    for minutes in (1, 2, 3):
        turn(world, pay, clock.now() + timedelta(minutes=minutes))
    assert (SaleRefund.objects.get().state, SaleRefund.objects.get().amount_fen) == ("done", 62300)

    # The next morning finance looks, and closes the day.
    turn(world, pay, "2026-11-22 10:30")
    day = open_page(PC, sessionid=session_of(holder_of("finance", org)))
    day.goto("/hq/finance/")
    day.get_by_role("button", name="现在对").click()
    day.get_by_text("差异 ¥0.00，可以关账").wait_for()
    assert day.evaluate(FAULTS) == []
    shot(day, "finance-day")
    day.get_by_role("button", name="关账").click()
    day.get_by_text("已关账").first.wait_for()
    closed = FinanceDay.objects.get()
    assert (closed.state, closed.difference_fen, closed.in_balance) == ("closed", 0, True)
    wechat, (principal, gift) = closed.proof["wechat"], closed.proof["card"]
    assert wechat["ours_fen"] == wechat["theirs_fen"]
    left = balance_of(member)
    assert (principal["closing_fen"], gift["closing_fen"]) == (left.principal_fen, left.gift_fen)
    day.goto("/hq/finance/")
    day.get_by_text("2026-11-21").wait_for()
    assert day.evaluate(FAULTS) == []
    shot(day, "finance-days")


def turn(world: World, pay: SandboxControl, moment: Any) -> None:
    """Turn all clocks, let the tick ask, hand the events over."""
    at = world.clock.travel(moment)
    world.sandbox.post("clock", now=at.isoformat())
    pay.post("clock", now=at.isoformat())
    poll(now=at)
    outbox.drain_events()


def test_breaks_payments_and_refunds_fit_the_screen(
    world: World, pay: SandboxControl, open_page: Callable[..., Any], shot: Any
) -> None:
    now = clock.now()
    order = services.begin(
        purpose="sale", subject="1", amount_fen=64600, description="衡裁 购物", way="native", now=now, store_code="S1"
    )  # fmt: skip
    services.prepay(order, now=now)
    pay.post("pay", out_trade_no=order.out_trade_no)
    services.look(order, now=now)
    order.refresh_from_db()
    services.refund(order, amount_fen=12600, key="a", reason="退货退款", now=now)
    PayRefund.objects.update(state="abnormal", error="ABNORMAL", next_try_at=None)
    outbox.drain_events()
    turn(world, pay, "2026-11-22 10:30")
    reconcile(clock.local_day(now), now=clock.now())
    page = open_page(PC, sessionid=session_of(holder_of("finance", world.org)))
    for name, path in {
        "list": "", "day": "days/2026-11-21/", "breaks": "breaks/", "payments": "payments/", "refunds": "refunds/?stuck=1",
    }.items():  # fmt: skip
        page.goto(f"/hq/finance/{path}")
        page.locator("main").wait_for()
        assert page.evaluate(FAULTS) == [], name
        shot(page, f"finance-{name}")
    page.goto("/hq/finance/breaks/")
    page.locator("td .btn-sm").first.click()
    page.locator(".fx").first.wait_for()
    assert page.evaluate(FAULTS) == []
    shot(page, "finance-break")
