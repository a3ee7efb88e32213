"""The script library under a thumb."""

import pytest

from tasks.scripts.loading import load_scripts
from tasks.scripts.models import ScriptFavourite
from tests.conftest import PHONE
from tests.factories.crm import make_member
from tests.factories.guides import make_org, session_of
from tests.factories.scripts import make_talk
from yejibao.core.clock import parse_iso

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
NOW = parse_iso("2026-03-02 10:10")
NARROW = {"width": 360, "height": 780}


@pytest.fixture
def org(clock):
    clock.travel(NOW)
    load_scripts(now=NOW)
    return make_org()


@pytest.mark.parametrize("size", [PHONE, NARROW], ids=["390", "360"])
def test_finds_keeps_and_takes_words_to_a_task(open_page, org, size):
    task = make_talk(make_member(owner=org.guide, name="王建平", salutation="王哥"), org.guide)
    page = open_page(size, sessionid=session_of(org.guide))
    page.goto(f"/g/scripts/?task={task.pk}")
    page.get_by_text("王哥您好，我是新街口店的晓雯").wait_for()
    page.fill("#q", "衣架")
    page.locator("article").nth(1).wait_for(state="detached")
    assert page.locator("article mark").first.inner_text() == "衣架"
    assert "q=" in page.url
    page.get_by_label("收藏「西服 · 致谢」").click()
    page.get_by_text("收藏了，以后排在前面").wait_for()
    assert ScriptFavourite.objects.get().script_key == "m30_suit"
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert page.get_by_role("link", name="发给王哥").get_attribute("href") == f"/g/tasks/{task.pk}/?script=m30_suit"


def test_scrolls_on_to_the_next_page(open_page, org):
    page = open_page(PHONE, sessionid=session_of(org.guide))
    page.goto("/g/scripts/")
    assert page.locator("article").count() == 20
    page.get_by_role("link", name="再看一些").scroll_into_view_if_needed()
    page.locator("article").nth(20).wait_for()
    assert len(set(page.locator("article p").all_inner_texts())) == page.locator("article").count()


def test_writes_a_wording_of_her_own(open_page, org):
    page = open_page(NARROW, sessionid=session_of(org.guide))
    page.goto("/g/scripts/mine/new/?node=m30")
    page.fill("#own-text", "路上慢点，")
    page.get_by_role("button", name="〔称呼〕").click()
    assert page.input_value("#own-text") == "路上慢点，〔称呼〕"
    assert page.get_by_label("30 分钟回访").is_checked()
    page.get_by_role("button", name="存下来").click()
    page.get_by_text("存好了").wait_for()
    assert ScriptFavourite.objects.get().text == "路上慢点，{member_name}"
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
