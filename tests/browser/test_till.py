"""收银 with one thumb: scanned without the net and brought later, paid in cash; a piece comes back, the manager lets it go."""

from collections.abc import Callable
from typing import Any

import pytest

from crm.orders.checkout.models import Sale, SaleRefund
from tests.core.test_look import FAULTS
from tests.factories import checkout as make
from tests.factories.guides import session_of

from .conftest import World

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SMALL = {"width": 360, "height": 780}


def scan(page: Any, code: str) -> None:
    page.locator("[data-entry] [name=code]").fill(code)
    page.locator("[data-entry] [name=code]").press("Enter")


def test_a_sale_begun_without_the_net_and_a_piece_that_comes_back(
    world: World, open_page: Callable[..., Any], shot: Any, wait_until: Callable[..., None]
) -> None:
    org = world.org
    suit, shirt = make.make_sku(258000, store=org.store), make.make_sku(49900, store=org.store, name="免烫衬衫")
    till = open_page(SMALL, sessionid=session_of(org.guide), reduced_motion="reduce")
    till.goto("/g/till/")
    shot(till, "till-empty")
    till.get_by_role("button", name="开单").click()
    scan(till, suit.code)
    till.get_by_text("还要收").wait_for()

    # The net goes: what is scanned stays on the phone, and nothing can be paid.
    till.context.set_offline(True)
    till.locator("html.is-offline").wait_for()
    scan(till, shirt.code)
    till.get_by_text("没网，先记在这部手机上").wait_for()
    assert Sale.objects.get().lines.count() == 1
    shot(till, "till-offline")
    till.context.set_offline(False)
    wait_until(lambda: Sale.objects.get().lines.count() == 2)
    till.locator("[data-kept]").wait_for(state="hidden")

    till.locator("[data-member-form] [name=q]").first.fill("13800132075")
    till.locator("[data-member-form]").first.get_by_role("button", name="找", exact=True).click()
    till.get_by_text("王哥").first.wait_for()
    till.locator("label[for=way-cash]").click()
    assert till.evaluate(FAULTS) == []
    shot(till, "till-basket-360")
    till.locator("[form=till-pay]").click()
    till.get_by_text("收款完成").wait_for()
    assert till.evaluate(FAULTS) == []
    shot(till, "till-receipt-360")
    sale = Sale.objects.get()
    assert (sale.state, sale.paid_fen, sale.member) == ("paid", 307900, world.member)

    # The shirt comes back: the guide asks, her manager lets it go.
    till.goto(f"/g/till/returns/?q={sale.order.number}")
    till.get_by_role("link", name="退这一单").click()
    till.locator("[data-more=line-2]").click()
    till.get_by_text("一共退").first.wait_for()
    till.get_by_text("看过了").click()
    till.locator("[name=note]").fill("领口小了")
    assert till.evaluate(FAULTS) == []
    shot(till, "till-return-360")
    till.get_by_role("button", name="提交申请").click()
    till.get_by_text("待审批").wait_for()
    boss = open_page(SMALL, sessionid=session_of(org.manager), reduced_motion="reduce")
    boss.goto("/me/approvals/")
    boss.get_by_text("退货 1 件").first.click()
    boss.get_by_role("button", name="同意", exact=True).click()
    wait_until(lambda: SaleRefund.objects.get().state == "done")
    till.reload()
    till.get_by_text("已退款").wait_for()
    shot(till, "till-refund-360")
    assert SaleRefund.objects.get().amount_fen == 49900
