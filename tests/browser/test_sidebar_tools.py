"""Beside the chat with one thumb: a tag and its undo, words found and sent, an unknown friend made known, a cold open."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from crm.members.models import FriendLink, Member
from crm.tags.loading import load_tags
from crm.tags.models import MemberTag
from tasks.scripts.models import ScriptUse
from tests.core.test_look import FAULTS
from tests.factories.crm import make_friend, make_member
from tests.factories.guides import session_of
from yejibao.core import clock as product_clock
from yejibao.core.outbox import drain_events
from yejibao.wecom import gateway

from .conftest import World, beside, open_chat, to_list

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
NARROW = {"width": 360, "height": 780}


@pytest.fixture
def tags(world: World) -> None:
    load_tags(now=product_clock.now())


def said(member: Member, key: str) -> list[str]:
    one = MemberTag.objects.filter(member=member, tag__key=key, is_effective=True).first()
    return one.values if one else []


def test_from_the_chat_to_a_tag_and_a_message(
    world: World, tags: None, client_of: Callable[..., Any], shot: Callable[..., None], wait_until: Callable[..., None]
) -> None:
    page = client_of(world.guide, NARROW)
    to_list(page)
    open_chat(page, "王建平")
    page.locator("#wx-toolbar").click()
    side = beside(page)
    side.locator("#tags-card").wait_for()
    shot(page, "sidebar-tools-360")

    side.locator("#tags-card .chip", has_text="上衣 180/96A").click()  # he bought a coat in it
    side.locator("#tags-card .tag", has_text="上衣 180/96A").wait_for()
    assert said(world.member, "size_top") == ["180/96A"]
    side.locator(".toast.undo button").click()
    side.locator("#tags-card .chip", has_text="上衣 180/96A").wait_for()
    assert said(world.member, "size_top") == []

    side.locator("#tags-card .more").click()
    side.locator("#tag-hobby").wait_for()
    tea, fishing = (side.locator("#tag-hobby .chip", has_text=name) for name in ("茶", "钓鱼"))
    tea.click()
    fishing.click()
    assert (tea.get_attribute("aria-pressed"), fishing.get_attribute("aria-pressed")) == ("true", "true")
    wait_until(lambda: said(world.member, "hobby") == ["茶", "钓鱼"])  # both count, in whichever order they arrive
    side.locator("#tags-card .tag", has_text="爱").wait_for(state="attached")
    shot(page, "sidebar-tags-sheet-360")
    page.context.set_offline(True)
    side.locator(".net").wait_for()
    assert tea.get_attribute("aria-disabled") == "true"
    page.context.set_offline(False)
    side.locator(".net").wait_for(state="hidden")
    page.context.route("**/tags/hobby/", lambda route: route.fulfill(status=500, body=""))
    tea.click()
    side.locator(".toast.bad").wait_for()
    assert tea.get_attribute("aria-pressed") == "true"  # back where it was
    page.context.unroute("**/tags/hobby/")
    side.locator("#sheet [data-close]:visible").last.click()

    side.locator("#say-q").fill("hyryy")
    side.locator("[data-say=plain]").first.wait_for()
    shot(page, "sidebar-scripts-360")
    words = side.locator("[data-say=plain]").first.get_attribute("data-text")
    side.locator("[data-say=plain] [data-say-send]").first.click()
    side.get_by_text("发给王哥了").wait_for()
    assert [line["text"] for line in world.chat()] == [words]
    side.locator("#say-q").fill("")
    side.locator("[data-say=task]").first.wait_for()
    words = side.locator("[data-say=task]").nth(1).get_attribute("data-text")
    side.locator("[data-say=task] [data-say-send]").nth(1).click()
    side.locator("[data-sent]").wait_for()
    world.task.refresh_from_db()
    assert (world.task.state, world.task.evidence_level) == ("done", 2)
    assert [line["text"] for line in world.chat()][1:] == [words]
    assert ScriptUse.objects.filter(task=None).count() == 1
    assert ScriptUse.objects.get(task=world.task).was_edited is False


def test_an_unknown_friend_becomes_a_member_in_two_taps(
    world: World, client_of: Callable[..., Any], shot: Callable[..., None]
) -> None:
    now = product_clock.now()
    make_friend(None, world.guide, external_user_id="wmUnknown", remark="试大衣的先生", added_at=now)
    make_member(owner=world.guide, name="李志强", phone="13700001234", last_purchase_on=product_clock.today())
    page = client_of(world.guide, NARROW)
    to_list(page)
    open_chat(page, "试大衣的先生")
    page.locator("#wx-toolbar").click()
    side = beside(page)
    side.get_by_label("就是李志强").wait_for()
    shot(page, "sidebar-unknown-360")
    side.get_by_label("就是李志强").click()
    side.locator("#tags-card, #due-card").first.wait_for()
    assert "137****1234" in side.locator("#sidebar").inner_text()
    side.locator(".toast.undo button").click()
    side.get_by_text("他是哪位会员").wait_for()
    assert FriendLink.objects.get(external_user_id="wmUnknown").member is None
    side.locator("summary").click()
    shot(page, "sidebar-unknown-new-360")
    assert side.locator("#who-new [name=name]").input_value() == ""  # a nickname is no name
    side.locator("#who-new [name=name]").fill("周建国")
    side.locator("#who-new [name=phone]").fill("123")
    side.get_by_role("button", name="开卡").click()
    side.get_by_text("手机号不对，要 11 位数字").wait_for()
    shot(page, "sidebar-unknown-wrong-360")
    side.locator("#who-new [name=phone]").fill("")
    side.get_by_role("button", name="开卡").click()
    side.get_by_text("现在没有要跟进的").wait_for()
    made = Member.objects.get(name="周建国")
    assert (made.owner_guide, FriendLink.objects.get(external_user_id="wmUnknown").member) == (world.guide, made)
    drain_events()  # what a worker does some seconds later; nobody touches the page
    side.locator("[data-task]", has_text="新好友破冰").wait_for()
    shot(page, "sidebar-unknown-made-360")


def test_a_cold_open_is_one_page_and_one_answer(world: World, tags: None, client_of: Callable[..., Any]) -> None:
    gateway.default().get_agent_ticket()
    gateway.default().get_corp_ticket()
    page = client_of(world.guide, NARROW)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    to_list(page)
    open_chat(page, "王建平")
    page.locator("#wx-toolbar").click()
    beside(page).locator("#tags-card").wait_for()
    ours = [re.sub(r"^https?://[^/]+", "", one) for one in asked]
    beside_it = [one for one in ours if not one.startswith(("/static/", "/sandbox/", "data:")) and "healthz" not in one]
    kinds = [one for one in beside_it if one.startswith(("/g/", "/api/"))]
    assert [one.split("=")[0] for one in kinds if "login" not in one] == ["/g/sidebar/", "/g/sidebar/?external_user_id"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_sticks_out_at_360(
    world: World, tags: None, open_page: Callable[..., Any], shot: Callable[..., None], theme: str
) -> None:
    page = open_page(NARROW, sessionid=session_of(world.guide))
    page.goto(f"/g/sidebar/?external_user_id={world.link.external_user_id}&theme={theme}")
    page.locator("#say-q").focus()
    page.locator("[data-say]").first.wait_for()
    page.wait_for_timeout(4500)  # outside the client: the SDK has had its time
    assert page.locator("[data-say-send]:visible").count() == 0
    assert page.evaluate(FAULTS) == []
    page.set_viewport_size({"width": 360, "height": 1700})
    page.evaluate("scrollTo(0, 0)")
    shot(page, f"sidebar-whole-{theme}")
