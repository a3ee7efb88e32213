"""The page beside the chat: whose it is, what it shows, how it sends, what it says when it cannot."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import PHONE
from tests.factories.guides import session_of

from .conftest import World

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PC_CLIENT = {"width": 1200, "height": 760}


def beside(page: Any) -> Any:
    """Return the frame with the toolbar page."""
    return page.frame_locator("#wx-tool iframe")


def open_chat(page: Any, name: str) -> None:
    page.locator(".wx-row", has_text=name).click()
    page.wait_for_selector("#wx-lines")


def test_the_task_of_the_chat_stands_ready(world: World, client_of: Callable[..., Any], shot: Any) -> None:
    page = client_of(world.guide, PC_CLIENT)
    open_chat(page, "王建平")
    side = beside(page)
    side.locator("[data-task]").wait_for()
    assert side.locator("[data-task] .tag").first.inner_text() == "30 分钟回访"
    assert side.locator("[data-due]").first.inner_text() == "剩 18 分"
    assert "王哥" in side.locator("[data-words]").inner_text()
    assert "138****2075" in side.locator("#sidebar").inner_text()
    assert "羊毛双排扣大衣" in side.locator(".side-goods").inner_text()
    shot(page, "client-1200")
