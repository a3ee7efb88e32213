"""From the push to the message sent: three taps at most, two where the page beside the chat already stands open."""

from collections.abc import Callable
from typing import Any

import pytest

from tasks.followups.models import Task
from tests.conftest import PHONE

from .conftest import World, beside, open_chat, to_list

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PC_CLIENT = {"width": 1200, "height": 760}


class Thumb:
    """Taps, and counts them."""

    def __init__(self) -> None:
        self.taps = 0

    def on(self, target: Any) -> None:
        target.click()
        self.taps += 1


def open_push(page: Any, world: World) -> Any:
    """Let the push arrive live, open it, and return the frame of its page."""
    world.push()
    page.locator("[data-unread]:visible, .wx-app .cnt").first.wait_for()
    page.locator(".wx-row:has(.wx-app)").click()
    page.locator(".wx-card").click()
    frame = page.frame_locator("#wx-page iframe")
    frame.locator("#send-button").wait_for()
    return frame


def assert_sent(page: Any, world: World) -> None:
    [line] = world.chat()
    task = Task.objects.get(pk=world.task.pk)
    assert line["from"] == "guide" and "王哥" in line["text"]
    assert (task.state, task.evidence_kind, task.evidence_level) == ("done", "chat_sent", 2)
    assert task.reaches.get().level == 2


def test_phone(world: World, client_of: Callable[..., Any], shot: Any) -> None:
    page = client_of(world.guide, PHONE)
    to_list(page)
    frame = open_push(page, world)
    shot(page, "client-390-task")
    thumb = Thumb()
    thumb.on(frame.locator("#send-button"))
    page.locator("#wx-chat-name").wait_for()
    shot(page, "client-390-chat")
    thumb.on(page.locator("#wx-toolbar"))
    beside(page).locator("[data-task]").wait_for()
    shot(page, "client-390-toolbar")
    thumb.on(beside(page).locator("[data-send]").first)
    beside(page).locator("[data-sent]").wait_for()
    assert thumb.taps <= 3
    assert_sent(page, world)
    shot(page, "client-390-sent")
    page.locator("[data-side-close]").click()
    page.locator("[data-side=member]").click()
    page.locator("#wx-lines .bub.in p").first.wait_for()
    assert page.locator("#wx-lines .bub.in p").all_inner_texts() == [world.chat()[0]["text"]]
    page.locator("#wx-text").fill("谢谢，周日我带爱人过来看看")
    page.locator("#wx-say .btn").click()
    page.locator("#wx-lines .bub:not(.in) p").wait_for()
    shot(page, "client-390-member")
    assert [line["from"] for line in world.chat()] == ["guide", "member"]


def test_the_sidebar_stands_open(world: World, client_of: Callable[..., Any], shot: Any) -> None:
    page = client_of(world.guide, PC_CLIENT)
    open_chat(page, "王建平")
    beside(page).locator("[data-task]").wait_for()
    frame = open_push(page, world)
    shot(page, "client-1200-task")
    thumb = Thumb()
    thumb.on(frame.locator("#send-button"))
    beside(page).get_by_text("备好了，点发送").wait_for()
    shot(page, "client-1200-pending")
    thumb.on(beside(page).locator("[data-send]").first)
    beside(page).locator("[data-sent]").wait_for()
    assert thumb.taps <= 2
    assert_sent(page, world)
    page.locator("[data-side=member]").click()
    page.locator("#wx-lines .bub.in p").wait_for()
    shot(page, "client-1200-member")
