"""A stranger scans a guide's code in the client: greeted past a queue of pushes, a member in two taps, on the guide's list."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from crm.members.models import FriendLink, Member
from tasks.followups.models import Task
from tests.conftest import PC
from yejibao.core import clock
from yejibao.core.models import OutboxMessage
from yejibao.wecom.inbox.loop import Loop
from yejibao.wecom.welcome.models import WelcomeMessage

from .conftest import World, beside

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
KEYS = ("QDG6eK", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C")  # the platform's own sample
WAITING = 2000


@pytest.fixture
def flood(world: World) -> None:
    """Pushes that are due and that nobody sends."""
    now = clock.now()
    OutboxMessage.objects.bulk_create(
        OutboxMessage(
            kind="digest", dedupe_key=f"flood/{number}", recipient="lan.chen", due_at=now, next_at=now, created_at=now,
            not_after=now + timedelta(hours=1),
        )
        for number in range(WAITING)
    )  # fmt: skip


@pytest.fixture
def inbox(world: World, live_server: Any, settings: Any) -> Iterator[None]:
    """The product's inbox process; the platform knows where to call."""
    settings.WECOM_CALLBACKS = {"yejibao": KEYS}
    address = f"{live_server.url}/wecom/callback/yejibao/"
    world.sandbox.post("receivers", yejibao={"url": address, "token": KEYS[0], "aes_key": KEYS[1]})
    stop = threading.Event()
    process = threading.Thread(target=Loop(stop, lanes=1).run)
    process.start()
    yield
    stop.set()
    process.join(15)


def test_a_stranger_is_greeted_becomes_a_member_and_is_on_the_list(
    world: World, flood: None, inbox: None, client_of: Callable[..., Any], wait_until: Callable[..., None], shot: Any
) -> None:
    page = client_of(world.guide, PC)
    page.locator("[data-open='#control']:visible").first.click()
    page.locator("#ctl-scan .btn").click()
    page.wait_for_selector("#wx-chat-name >> text=云淡风轻")  # the chat opens by itself
    page.locator("#wx-lines .bub p").first.wait_for()
    assert page.locator("#wx-lines .bub p").all_inner_texts()[0].startswith("您好，我是")
    link = FriendLink.objects.get(member=None)
    # The platform took the code, so it was in time; and no push had to leave before. It shows before our row says so.
    wait_until(lambda: [one.state for one in WelcomeMessage.objects.all()] == ["sent"])
    assert OutboxMessage.objects.filter(state="pending").count() >= WAITING

    side = beside(page)
    side.get_by_text("都不是，给他开张会员卡").click()
    shot(page, "stranger-beside")
    side.locator("input[name=name]").fill("江云")  # a nickname is no name
    side.get_by_role("button", name="开卡").click()
    side.get_by_text("专属导购是你").wait_for()
    member = Member.objects.get(friend_links=link)
    wait_until(lambda: Task.objects.filter(member=member, task_type="welcome_new_friend", state="open").exists())

    own = page.context.new_page()
    own.goto("/g/today/")
    own.locator("article", has_text=member.name).get_by_text("新好友破冰").wait_for()
    shot(own, "stranger-today")

    page.locator("[data-open='#control']:visible").first.click()
    page.locator("[data-part=member]").click()
    wait_until(lambda: Task.objects.get(member=member).closed_reason == "friend_lost")
    link.refresh_from_db()
    assert (link.state, Task.objects.get(member=member).state) == ("deleted_by_member", "skipped")
