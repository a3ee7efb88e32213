"""A small world played in the browser: the guide 林晓雯, her member 王建平 who just bought a suit, the rules and the words."""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from playwright.sync_api import TimeoutError as PageTimeout

from crm.members.models import FriendLink, Member
from guides.org.models import Staff
from tasks.followups.models import Task
from tasks.followups.tick import tick
from tasks.scripts.loading import load_scripts
from tests.conftest import SandboxControl, TestClock
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.guides import Org, make_org
from tests.factories.tasks import enroll, load_rules
from yejibao.core import clock as product_clock
from yejibao.wecom import gateway, tokens
from yejibao.wecom.sender import drain_messages

BOUGHT_AT = "2026-11-21 14:00"
NOW = "2026-11-21 14:12"  # 18 minutes are left


@dataclass
class World:
    org: Org
    member: Member
    link: FriendLink
    stranger_link: FriendLink  # a customer of the other store's guide
    task: Task
    sandbox: SandboxControl
    clock: TestClock

    @property
    def guide(self) -> Staff:
        return self.org.guide

    def push(self) -> None:
        """Let the engine beat once and the sender send what is due."""
        tick(now=product_clock.now())
        drain_messages()

    def chat(self, link: FriendLink | None = None) -> list[dict[str, Any]]:
        """Return a chat as the platform has it."""
        link = link or self.link
        query = {"userid": link.guide.wecom_user_id, "external_userid": link.external_user_id}
        lines: list[dict[str, Any]] = self.sandbox.get("chat", **query)["messages"]
        return lines

    def travel(self, moment: str) -> datetime:
        now = self.clock.travel(moment)
        self.sandbox.post("clock", now=now.isoformat())
        return now


@pytest.fixture
def world(transactional_db: None, live_server: Any, sandbox: SandboxControl, clock: TestClock, settings: Any) -> World:
    """The world twelve minutes after the purchase: the 30-minute task is open, nobody has been told yet."""
    settings.PUBLIC_BASE_URL = live_server.url
    settings.WECOM_OAUTH_BASE = f"{live_server.url}/sandbox"
    tokens.Credentials.forget_process_copies()
    gateway._gateway.cache_clear()
    clock.travel(BOUGHT_AT)
    load_rules()
    load_scripts(now=product_clock.now())
    org = make_org()
    member = make_member(
        owner=org.guide, name="王建平", salutation="王哥", phone="13800132075", tier_631="core", member_level="V4",
        purchase_count=31, spend_365_fen=1846000, birth_month=3, birth_day=8, purchase_node="loyal",
    )  # fmt: skip
    link = make_friend(member, external_user_id="wmWangJianping")
    other = make_member(owner=org.stranger, name="赵启明", phone="13900001111")
    stranger_link = make_friend(other, external_user_id="wmZhaoQiming")
    lines = [
        {
            "item_name": "羊毛双排扣大衣",
            "color": "藏青",
            "size": "180/96A",
            "care_key": "coat",
            "family": "大衣",
            "paid_fen": 268000,
        }
    ]
    order = make_order(member, paid_at=BOUGHT_AT, guide=org.guide, lines=lines)
    enroll(order)
    now = clock.travel(NOW)
    sandbox.post("clock", now=now.isoformat())
    tick(now=now)
    return World(org, member, link, stranger_link, Task.objects.get(member=member), sandbox, clock)


@pytest.fixture
def client_of(open_page: Callable[..., Any], world: World) -> Callable[..., Any]:
    """Return a function that opens the WeCom-like client as a person: chooses him and waits for the list."""

    def enter(person: Staff, size: dict[str, int]) -> Any:
        page = open_page(size)
        page.goto("/sandbox/people/")
        page.locator(".pick-p", has_text=person.name).click()
        page.wait_for_selector("#wx")
        return page

    return enter


@pytest.fixture
def shot() -> Callable[[Any, str], None]:
    """Return a function that takes a picture into the folder SHOTS, if there is one."""

    def take(page: Any, name: str) -> None:
        if folder := os.environ.get("SHOTS"):
            page.wait_for_timeout(400)
            page.screenshot(path=f"{folder}/{name}.png")

    return take


def beside(page: Any) -> Any:
    """Return the frame with the page beside the chat."""
    return page.frame_locator("#wx-tool iframe")


def open_chat(page: Any, name: str) -> None:
    page.locator(".wx-row", has_text=name).click()
    page.wait_for_selector("#wx-lines")


def to_list(page: Any) -> None:
    """Leave the first screen. The client may still be settling: the button that was visible may give way to another."""
    for _ in range(15):
        with suppress(PageTimeout):
            page.locator("[data-go=list]:visible").first.click(timeout=1000)
            return
    raise AssertionError("no way to the list of chats")
