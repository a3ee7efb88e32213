"""The page beside the chat: whose it is, what it shows, how it sends, what it says when it cannot."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import PHONE
from tests.factories.guides import session_of

from .conftest import World, beside, open_chat, to_list

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PC_CLIENT = {"width": 1200, "height": 760}
NARROW = {"width": 360, "height": 780}


def test_the_words_stand_ready_and_go_out_once(world: World, client_of: Callable[..., Any], shot: Any) -> None:
    page = client_of(world.guide, PC_CLIENT)
    open_chat(page, "王建平")
    side = beside(page)
    side.locator("[data-task]").wait_for()
    assert side.locator("[data-task] .tag").first.inner_text() == "30 分钟回访"
    assert side.locator("[data-due]").first.inner_text() == "剩 18 分"
    facts = side.locator("#sidebar").inner_text()
    assert "138****2075" in facts and "专属导购是你" in facts and "羊毛双排扣大衣" in facts
    shot(page, "client-1200")

    words = side.locator("[data-words]").inner_text()
    side.locator("[data-next-words]").click()
    assert side.locator("[data-words]").inner_text() != words
    side.locator("[data-edit]").click()
    side.locator("#side-edit").fill("王哥，大衣回家先挂起来透透气。")
    side.locator("[data-edit]").click()
    assert side.locator("[data-words]").inner_text() == "王哥，大衣回家先挂起来透透气。"
    side.locator("[data-send]").first.dblclick()
    side.locator("[data-sent]").wait_for()
    assert [line["text"] for line in world.chat()] == ["王哥，大衣回家先挂起来透透气。"]
    page.locator("#wx-lines .bub p").first.wait_for()  # the chat reads on by itself
    assert page.locator("#wx-lines .bub p").all_inner_texts() == ["王哥，大衣回家先挂起来透透气。"]
    world.task.refresh_from_db()
    assert (world.task.state, world.task.evidence_kind, world.task.evidence_level) == ("done", "chat_sent", 2)
    use = world.task.script_uses.get()
    assert (use.was_edited, use.text) == (True, "王哥，大衣回家先挂起来透透气。")
    shot(page, "client-1200-sent")

    side.locator(".toast.undo button").click()
    side.locator("[data-task]").wait_for()
    world.task.refresh_from_db()
    assert (world.task.state, world.task.evidence_level) == ("open", 2)


def test_an_outcome_is_one_tap(world: World, client_of: Callable[..., Any], shot: Any) -> None:
    page = client_of(world.guide, PC_CLIENT)
    open_chat(page, "王建平")
    side = beside(page)
    side.locator("[data-send]").first.click()
    side.locator("[data-outcome=replied]").click()
    side.get_by_text("已回复，记下了").wait_for()
    world.task.refresh_from_db()
    assert (world.task.state, world.task.outcome) == ("done", "replied")


def test_what_left_is_recorded_later_and_never_sent_twice(
    world: World, client_of: Callable[..., Any], shot: Any
) -> None:
    page = client_of(world.guide, PC_CLIENT)
    page.context.route("**/api/v1/tasks/*/sent/", lambda route: route.abort())
    open_chat(page, "王建平")
    side = beside(page)
    side.locator("[data-send]").first.click()
    side.get_by_text("已经发出，记录还没存上").wait_for()
    assert side.locator("[data-send]:visible").count() == 0
    shot(page, "client-1200-unrecorded")
    page.reload()
    side.get_by_text("已经发出，记录还没存上").wait_for()
    assert side.locator("[data-send]:visible").count() == 0
    world.task.refresh_from_db()
    assert world.task.state == "open"
    page.context.unroute("**/api/v1/tasks/*/sent/")
    side.locator("[data-sent]").wait_for()
    world.task.refresh_from_db()
    assert (world.task.state, world.task.evidence_level, len(world.chat())) == ("done", 2, 1)


def test_somebody_elses_customer_gets_one_sentence(world: World, open_page: Callable[..., Any], shot: Any) -> None:
    page = open_page(NARROW, sessionid=session_of(world.guide))
    for stranger in (world.stranger_link.external_user_id, "wmNobody"):
        response = page.goto(f"/g/sidebar/?external_user_id={stranger}")
        assert response.status == 404
        assert page.locator("#sidebar").inner_text().split("\n") == [
            "这位不是你的客户", "", "先加上好友，再从他的聊天里打开业绩宝。他可能是同事的客户，问店长。",
        ]  # fmt: skip
        assert "赵" not in page.content() and "139" not in page.content()
    shot(page, "sidebar-stranger-360")
    panel = page.request.get(f"/g/sidebar/panel/due/?external_user_id={world.stranger_link.external_user_id}")
    assert panel.status == 404
    world.link.state = "deleted_by_member"
    world.link.save()
    page.goto(f"/g/sidebar/?external_user_id={world.link.external_user_id}")
    assert "不是好友" in page.locator(".banner.amber").inner_text()
    assert page.locator("[data-send]").count() == 0


def test_outside_the_client_the_words_can_be_copied(world: World, open_page: Callable[..., Any], shot: Any) -> None:
    page = open_page(NARROW, sessionid=session_of(world.guide), permissions=["clipboard-read", "clipboard-write"])
    page.goto("/g/sidebar/")
    page.get_by_text("请在企业微信里打开一位客户的聊天").wait_for()
    page.goto(f"/g/sidebar/?external_user_id={world.link.external_user_id}")
    shot(page, "sidebar-360")
    assert page.evaluate("document.documentElement.scrollWidth") == NARROW["width"]
    page.locator("[data-copy-words]").click()
    page.get_by_text("已复制").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#side-edit").input_value()
    shot(page, "sidebar-360-by-hand")
    page.locator("[data-claim]").click()
    page.locator("[data-sent]").wait_for()
    world.task.refresh_from_db()
    assert (world.task.state, world.task.evidence_kind, world.task.evidence_level) == ("done", "tool_opened", 1)
    assert world.task.evidence.filter(kind="chat_claimed", level=0).exists()
    assert world.chat() == []


HOLD = """window.held = [];
if (window.parent === window) window.addEventListener("message", (event) => {
  if (!event.isTrusted || !window.held || (event.data || {}).yjbClient !== "call") return;
  event.stopImmediatePropagation();
  window.held.push(() => window.dispatchEvent(new MessageEvent("message", { data: event.data, origin: event.origin, source: event.source })));
}, true);"""  # the client thinks, until the test lets it speak


def thinking(page: Any, hold: str) -> None:
    """Let the client think from its start on: it may open the first chat by itself."""
    page.context.add_init_script(hold)
    page.reload()
    page.wait_for_selector("#wx")


def test_a_client_that_answers_late_is_waited_for(world: World, client_of: Callable[..., Any], shot: Any) -> None:
    page = client_of(world.guide, PC_CLIENT)
    thinking(page, HOLD)
    open_chat(page, "王建平")
    side = beside(page)
    side.get_by_text("企业微信还没有回话").wait_for()
    shot(page, "client-1200-waits")
    page.evaluate("const late = window.held; window.held = null; late.forEach((say) => say())")
    side.locator("[data-send]:visible").first.wait_for()
    assert side.get_by_text("企业微信还没有回话").count() == 0
    side.locator("[data-send]:visible").first.click()
    side.locator("[data-sent]").wait_for()
    assert len(world.chat()) == 1


def test_a_chat_that_is_known_late_lets_the_words_go_out(world: World, client_of: Callable[..., Any]) -> None:
    page = client_of(world.guide, PC_CLIENT)
    thinking(page, HOLD.replace('!== "call")', '!== "call" || event.data.api !== "getContext")'))
    open_chat(page, "王建平")
    side = beside(page)
    side.locator("[data-copy-words]:visible").wait_for()  # meanwhile they can be copied
    page.evaluate("const late = window.held; window.held = null; late.forEach((say) => say())")
    side.locator("[data-send]:visible").first.click()
    side.locator("[data-sent]").wait_for()


def test_what_cannot_go_out_keeps_the_words(world: World, client_of: Callable[..., Any], shot: Any) -> None:
    page = client_of(world.guide, PHONE)
    shot(page, "client-390-start")
    to_list(page)
    shot(page, "client-390-list")
    page.locator("[data-open='#control']:visible").click()
    page.locator("[data-local=refuse]").click()
    shot(page, "client-390-control")
    page.locator("#control [data-close]:visible").last.click()
    open_chat(page, "王建平")
    page.locator("#wx-toolbar").click()
    side = beside(page)
    words = side.locator("[data-words]").inner_text()
    side.locator("[data-send]").first.click()
    side.get_by_text("没发出去，话术还在").wait_for()
    assert side.locator("[data-words]").inner_text() == words
    assert "企业微信没让发" in side.locator("[data-fail]").inner_text()
    shot(page, "client-390-refused")
    assert world.chat() == []
    world.task.refresh_from_db()
    assert world.task.state == "open"

    page.context.set_offline(True)
    side.locator(".net").wait_for()
    assert side.locator("[data-again]").get_attribute("aria-disabled") == "true"
    page.context.set_offline(False)
    side.locator(".net").wait_for(state="hidden")

    world.travel("2026-11-21 22:00")
    page.reload()
    page.locator("#wx-toolbar").click()
    beside(page).get_by_text("明天 9:30 后可以发").wait_for()
    assert beside(page).locator("[data-send]").count() == 0
