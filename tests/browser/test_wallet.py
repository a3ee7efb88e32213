"""手机储值 on the guide's phone: she asks, waits, and the page sees by itself what he did on his."""

from collections.abc import Callable
from typing import Any

import pytest

from crm.wallet.models import TopUp
from crm.wallet.queries import balance_of
from crm.wallet.services import confirm_top_up
from tests.core.test_look import FAULTS
from tests.factories.guides import session_of
from tests.factories.wallet import make_wallet, real_name
from yejibao.core import clock

from .conftest import World

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_guide_tops_up_and_the_page_follows_the_members_word(
    world: World, open_page: Callable[..., Any], shot: Any
) -> None:
    make_wallet(world.member, now=clock.now(), principal_fen=300000, gift_fen=20000, store=world.org.store)
    page = open_page({"width": 360, "height": 780}, sessionid=session_of(world.guide))
    page.goto("/g/wallet/")
    page.fill("[name=q]", world.member.name)
    page.keyboard.press("Enter")
    page.locator("#members").get_by_text(world.member.name).click()
    page.locator("input[name=tier]").first.wait_for(state="attached")
    assert page.locator("input[name=tier]:disabled").count() == 3 and page.evaluate(FAULTS) == []
    shot(page, "wallet-member")
    page.locator("label[for=t-t1000]").click()
    page.locator("label[for=m-counter]").click()
    page.get_by_role("button", name="发到他手机上确认").click()
    page.get_by_text("等他在手机上确认").wait_for()
    assert page.evaluate(FAULTS) == []
    shot(page, "wallet-waits")
    asked = TopUp.objects.get()
    confirm_top_up(asked, member=world.member, now=clock.now(), terms_version=1, real_name=real_name())
    page.locator("label[for=tu-cash]").click()  # the page asked by itself
    page.get_by_role("button", name="收到 ¥1,000 了，入账").click()
    page.get_by_text("办好了").wait_for()
    shot(page, "wallet-done")
    assert balance_of(world.member).total_fen == 320000 + 105000
    page.goto("/g/wallet/top-ups/")
    page.get_by_text("已到账").wait_for()
    assert page.evaluate(FAULTS) == []
