"""The card in the guide's chat: she presses 完成 there, the platform calls us, the task is done and the card says so."""

from collections.abc import Callable
from typing import Any

import pytest

from tasks.followups.models import Task
from tests.conftest import PC, PHONE
from yejibao.wecom.inbox.working import work_off

from .conftest import World, to_list

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
KEYS = ("token", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C")


@pytest.fixture
def chat(world: World, live_server: Any, settings: Any) -> World:
    """The world with an app that can be called back; the push has come."""
    settings.WECOM_CALLBACKS = {"yejibao": KEYS}
    address = f"{live_server.url}/wecom/callback/yejibao/"
    world.sandbox.post("receivers", yejibao={"url": address, "token": KEYS[0], "aes_key": KEYS[1]})
    world.sandbox.post("delivery", gap_seconds=0.05)
    return world


def open_card(page: Any, world: World) -> Any:
    world.push()
    page.locator("[data-unread]:visible, .wx-app .cnt").first.wait_for(state="attached")  # the narrow list hides it
    page.locator(".wx-row:has(.wx-app)").click()
    return page.locator(".wx-card")


def arrived(world: World, number: int) -> bool:
    answer = world.sandbox.get("callbacks")
    return len(answer["callbacks"]) == number and not answer["waiting"]


def test_done_from_the_chat(
    chat: World, client_of: Callable[..., Any], shot: Any, wait_until: Callable[..., None]
) -> None:
    page = client_of(chat.guide, {"width": 360, "height": 740})
    to_list(page)
    card = open_card(page, chat)
    shot(page, "card-360")
    card.get_by_role("button", name="完成").click()
    wait_until(lambda: arrived(chat, 1))
    assert work_off()["done"] == 1
    card.get_by_text("已完成", exact=True).wait_for()
    shot(page, "card-360-done")
    assert (Task.objects.get(pk=chat.task.pk).state, card.locator(".wx-act").count()) == ("done", 0)
    card.locator(".wx-card-body").click()
    page.frame_locator("#wx-page iframe").get_by_text("手动").first.wait_for()


def test_later_in_bad_weather(
    chat: World, client_of: Callable[..., Any], shot: Any, wait_until: Callable[..., None]
) -> None:
    chat.sandbox.post("weather", duplicate_percent=100, delay_seconds=0.3, forge_percent=100)
    page = client_of(chat.guide, PC)
    card = open_card(page, chat)
    for _ in range(2):  # nothing seems to happen, so once more
        card.get_by_role("button", name="稍后提醒").click()
    wait_until(lambda: arrived(chat, 2))
    assert work_off()["done"] == 2
    card.locator(".wx-grey").wait_for()
    shot(page, "card-pc-later")
    assert "再提醒你" in card.inner_text()
    task = Task.objects.get(pk=chat.task.pk)
    assert (task.state, task.hidden_reason) == ("open", "guide_busy")


def test_handed_on_meanwhile(chat: World, client_of: Callable[..., Any], wait_until: Callable[..., None]) -> None:
    page = client_of(chat.guide, PHONE)
    to_list(page)
    card = open_card(page, chat)
    Task.objects.filter(pk=chat.task.pk).update(assignee=chat.org.manager)
    card.get_by_role("button", name="完成").click()
    wait_until(lambda: arrived(chat, 1))
    work_off()
    card.get_by_text("已转给国栋").wait_for()
    assert Task.objects.get(pk=chat.task.pk).state == "open"
