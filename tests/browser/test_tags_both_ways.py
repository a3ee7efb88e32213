"""A tag set in the client by hand is on the member's page, and one set on the page is in the client."""

from typing import Any

import pytest

from crm.corptags.services import mapping, settle_friends, start_tag_sync, sync_tags
from crm.tags.loading import load_tags
from crm.tags.models import MemberTag, Tag
from tests.conftest import PC
from tests.core.test_look import FAULTS
from yejibao.core import clock
from yejibao.core.outbox import drain_events
from yejibao.core.scope import Actor
from yejibao.wecom import gateway
from yejibao.wecom.inbox.working import work_off

from .conftest import World, open_chat

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
KEYS = ("token", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C")


@pytest.fixture
def tagged(world: World, live_server: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> World:
    """The groups are at the platform, and it knows where to call."""
    load_tags(now=clock.now())
    few = Tag.objects.filter(key__in=["occupation", "hobby"]).order_by("position")
    monkeypatch.setattr(mapping, "mapped_tags", lambda: few)
    start_tag_sync(door=gateway.default(), actor=Actor.system(), now=clock.now())
    sync_tags(door=gateway.default(), now=clock.now())
    settings.WECOM_CALLBACKS = {"yejibao": KEYS}
    address = f"{live_server.url}/wecom/callback/yejibao/"
    world.sandbox.post("receivers", yejibao={"url": address, "token": KEYS[0], "aes_key": KEYS[1]})
    return world


def open_tags(page: Any) -> None:
    page.locator("[data-open='#chat-tags']").click()
    page.wait_for_selector("#chat-tags-list .chip")


def test_a_tag_goes_both_ways(tagged: World, client_of: Any, wait_until: Any, shot: Any) -> None:
    page = client_of(tagged.guide, PC)
    open_chat(page, "王建平")
    open_tags(page)
    page.locator("#chat-tags-list .chip", has_text="教师").click()
    page.wait_for_selector("#chat-tags-list .chip.on >> text=教师")
    assert page.evaluate(FAULTS) == []
    shot(page, "client-tags")

    def heard() -> bool:
        work_off(seconds=5)
        return MemberTag.objects.filter(tag__key="occupation", source="WECOM").exists()

    wait_until(heard)
    page.goto(f"/g/members/{tagged.member.public_id}/")
    page.wait_for_selector("#tags-card >> text=教师")

    page.goto(f"/g/members/{tagged.member.public_id}/tags/")
    page.locator("#tag-hobby .chip", has_text="茶").click()
    wait_until(lambda: MemberTag.objects.filter(tag__key="hobby", is_effective=True).exists())
    drain_events()
    settle_friends(door=gateway.default())
    page.goto("/sandbox/")
    open_chat(page, "王建平")
    open_tags(page)
    page.wait_for_selector("#chat-tags-list .chip.on >> text=茶")
    assert sorted(page.locator("#chat-tags-list .chip.on").all_inner_texts()) == ["教师", "茶"]
