"""HQ's back office, played: a store opens and hires without a developer, four eyes on an export, a file with a fault."""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from bench.planted import TITLES
from crm.members.models import Member
from guides.exports.models import Export
from guides.exports.services import make_due
from guides.org.models import Staff, Store
from tests.conftest import PC, TestClock
from tests.core.test_look import FAULTS
from tests.factories.crm import make_member
from tests.factories.guides import Org, holder_of, make_org, session_of
from yejibao.core import clock as product_clock
from yejibao.core.clock import parse_iso
from yejibao.intake.jobs import go_on_with_batches

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NOW = parse_iso("2026-11-24 10:10")


@pytest.fixture
def org(transactional_db: None, clock: TestClock) -> Org:
    clock.travel(NOW)
    return make_org()


@pytest.fixture
def shown(open_page: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that opens a page as somebody on a PC."""

    def at(person: Staff, path: str, *, confirmed: bool = True) -> Any:
        page = open_page(PC, sessionid=session_of(person, confirmed=confirmed), reduced_motion="reduce")
        page.goto(path)
        assert page.evaluate(FAULTS) == []
        return page

    return at


def keep(page: Any, name: str) -> None:
    """Look at the page as it stands; with SHOTS a picture is taken."""
    assert page.evaluate(FAULTS) == []
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def test_a_store_opens_and_hires_by_keyboard(org: Org, shown: Callable[..., Any]) -> None:
    page = shown(holder_of("sys_admin", org), f"/hq/org/units/{org.area.pk}/#add")  # unfolds what the link is about
    page.locator("#add [name=code]").fill("NJ009")
    page.locator("#add [name=name]").fill("南京金鹰店")
    page.locator("#add [name=short_name]").fill("金鹰店")
    page.locator("#add [name=short_name]").press("Enter")
    page.wait_for_selector("text=南京金鹰店建好了")
    keep(page, "office-area")

    page.goto("/hq/people/new/")
    page.locator("[name=userid]").fill("xiaojin")
    page.locator("[name=name]").fill("金小圆")
    page.locator("[name=role]").select_option("guide")
    page.get_by_role("button", name="加上").press("Enter")
    page.wait_for_selector("text=选他属于哪个单位或门店")
    assert page.locator("[name=userid]").input_value() == "xiaojin"  # what was typed is still there
    page.get_by_label("找单位或门店").press_sequentially("金鹰")
    page.wait_for_selector("#unit-choices-new :nth-child(2):last-child")  # one button and its label
    page.locator("#unit-choices-new input").press("Space")
    page.get_by_role("button", name="加上").press("Enter")
    page.wait_for_selector("text=金小圆加好了")
    keep(page, "office-person")
    assert Staff.objects.get(wecom_user_id="xiaojin").store == Store.objects.get(code="NJ009")


def test_who_must_show_himself_first_finds_what_he_typed(org: Org, shown: Callable[..., Any]) -> None:
    page = shown(holder_of("sys_admin", org), f"/hq/people/{org.guide.pk}/", confirmed=False)
    page.locator("#grant summary").press("Enter")
    page.locator("#grant [name=role]").select_option("hq_training")
    page.locator("#grant [name=reason]").fill("兼讲师")
    page.locator("#grant [name=reason]").press("Enter")
    page.wait_for_selector("text=再确认一次是你本人")
    page.goto(f"/hq/people/{org.guide.pk}/")  # where the way back leads
    assert page.locator("#grant [name=reason]").input_value() == "兼讲师"
    assert page.locator("#grant [name=role]").input_value() == "hq_training"
    assert page.locator("#grant").get_attribute("open") is not None


def test_one_asks_for_a_list_another_says_yes_and_it_is_taken_once(org: Org, shown: Callable[..., Any]) -> None:
    make_member(owner=org.guide, name="王建国", phone="13800132075")
    page = shown(holder_of("hq_operator", org), "/me/exports/ask/members/")
    page.get_by_label("导出来做什么用").fill("老会员到店邀约")
    page.get_by_role("button", name="提交审批").press("Enter")
    page.wait_for_selector("text=等人批准")
    keep(page, "office-export-waits")

    other = shown(holder_of("hq_crm", org), "/me/approvals/")
    other.get_by_text("导出 1 行").first.click()
    other.get_by_text("先看看是什么").click()
    other.wait_for_selector("text=前几行")
    assert "王建国" not in other.content() and "13800132075" not in other.content()
    keep(other, "office-export-asked")
    other.get_by_text("看好了，回去批").click()
    other.get_by_role("button", name="同意", exact=True).press("Enter")
    other.wait_for_selector("text=已同意，这就去办")
    make_due(now=product_clock.now(), budget=timedelta(seconds=10))

    page.reload()
    with page.expect_download() as got:
        page.get_by_role("button", name="下载").press("Enter")
    assert got.value.suggested_filename.endswith(".xlsx")
    page.reload()
    page.wait_for_selector("text=文件已经删掉")
    keep(page, "office-export-taken")
    assert Export.objects.get().state == "taken"


def test_a_file_is_looked_through_before_it_counts(org: Org, shown: Callable[..., Any]) -> None:
    rows = [TITLES, "X1,王建国,男,13800132075,,,,2026-11-01,", "X2,李成,男,1380013,,,,,"]
    page = shown(holder_of("hq_crm", org), "/hq/intake/?kind=members")
    sent = {"name": "会员.csv", "mimeType": "text/csv", "buffer": "\n".join(rows).encode("gbk")}
    page.set_input_files("[name=file]", sent)
    page.get_by_role("button", name="上传并检查").press("Enter")
    page.wait_for_url("**/batches/*/")
    go_on_with_batches()
    page.wait_for_selector("text=手机号不对")  # the page asks by itself
    keep(page, "office-intake-checked")
    assert not Member.objects.filter(member_no="X1").exists()
    page.get_by_role("button", name="导入其余 1 行").press("Enter")
    page.wait_for_selector("text=停下")
    go_on_with_batches()
    page.get_by_role("link", name="去处理没导入的").press("Enter")
    page.get_by_role("link", name="X2").press("Enter")
    page.locator("[name=phone]").fill("13800132076")
    page.get_by_role("button", name="改好了，再试一次").press("Enter")
    page.wait_for_selector("text=已补上")
    keep(page, "office-intake-done")
    assert Member.objects.filter(member_no__in=("X1", "X2")).count() == 2
