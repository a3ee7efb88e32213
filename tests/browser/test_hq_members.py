"""会员 at HQ in the browser: found by his phone, his card read, his number seen once by a tap with a reason."""

from typing import Any

import pytest

from crm.privacy.services import set_particulars
from tests.core.test_look import FAULTS
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.guides import Org, holder_of, make_org, session_of
from yejibao.core import clock as product_clock
from yejibao.core.scope import Actor

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def org(transactional_db: None, clock: Any) -> Org:
    clock.travel("2026-11-21 14:20")
    org = make_org()
    for number in range(60):
        member = make_member(owner=org.guide, name=f"王建{number}", phone=f"138001320{number:02}", tier_631="common")
        if number % 3 == 0:
            make_friend(member)
            make_order(member, paid_at="2026-11-01 15:00", guide=org.guide)
    set_particulars(member, id_number="11010519491231002X", actor=Actor.system(), now=product_clock.now())
    return org


def test_hq_finds_a_member_reads_his_card_and_sees_his_number_once(open_page: Any, org: Org) -> None:
    page = open_page({"width": 1280, "height": 800}, sessionid=session_of(holder_of("hq_operator", org)))
    page.goto("/hq/members/")
    assert page.evaluate(FAULTS) == []
    assert page.locator("tbody tr").count() == 51
    page.get_by_text("看更多").click()
    page.locator("tbody tr").nth(59).wait_for()
    page.fill('input[name="q"]', "13800132059")
    page.keyboard.press("Enter")
    page.locator("tbody tr").nth(1).wait_for(state="detached")
    assert "138" not in page.url
    page.locator(".row-link").click()
    page.wait_for_selector("#privacy")
    assert page.evaluate(FAULTS) == []
    page.get_by_text("看证件号").click()
    page.locator("#sheet-body button.btn-p").click()
    page.wait_for_selector("#reveal-sheet >> text=11010519491231002X")


def test_the_supervisor_reads_a_list_with_one_thumb(open_page: Any, org: Org) -> None:
    page = open_page({"width": 360, "height": 740}, sessionid=session_of(holder_of("area_supervisor", org)))
    page.goto("/m/members/")
    assert page.evaluate(FAULTS) == []
    assert page.locator(".cell").count() >= 50
    page.fill('input[name="within"]', "林晓雯")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=林晓雯的会员")
