"""A notice that is pushed too: one card a thing, not to who left, not in quiet hours, not once it is read."""

import json
from typing import Any

import pytest

from guides.notices.models import Notification
from guides.notices.pushing import NoticeCard, push_time, tell_and_push
from guides.notices.services import Notice, mark_read
from guides.org.models import Staff
from tests.factories.guides import Org, actor, make_org
from yejibao.core.clock import parse_iso
from yejibao.core.models import OutboxMessage

pytestmark = pytest.mark.django_db

NOW = parse_iso("2026-11-21 10:00")


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel(NOW)
    return make_org()


def notice(title: str = "整改：地面", **facts: Any) -> Notice:
    return Notice(
        **{"kind": "rectification", "key": "finding:1", "title": title, "url": "/m/patrol/findings/1/"} | facts
    )


def body(message: OutboxMessage) -> dict[str, Any] | None:
    raw = NoticeCard().render([message], now=NOW)[message.pk]
    return json.loads(raw) if raw else None


def test_it_stands_in_the_centre_and_goes_out_as_a_card(org: Org) -> None:
    assert tell_and_push([(org.guide.pk, notice(text="18:00 前"))], now=NOW) == 1
    (message,) = OutboxMessage.objects.all()
    assert (message.kind, message.recipient, message.due_at) == ("notice", org.guide.wecom_user_id, NOW)
    assert Notification.objects.get().message_id == message.pk
    card = body(message)
    assert card is not None
    assert (card["textcard"]["title"], card["textcard"]["description"]) == ("整改：地面", "18:00 前")
    assert f"/m/patrol/findings/1/?m={message.pk}" in card["textcard"]["url"]


def test_told_again_only_the_last_goes_out(org: Org, clock: Any) -> None:
    tell_and_push([(org.guide.pk, notice())], now=NOW)
    later = clock.advance(minutes=1)
    tell_and_push([(org.guide.pk, notice("再说一次"))], now=later)
    first, second = OutboxMessage.objects.order_by("pk")
    assert body(first) is None
    card = body(second)
    assert card is not None and card["textcard"]["title"] == "再说一次"
    assert NoticeCard().still_wanted([first, second], now=later) == {second.pk}


def test_what_was_read_is_not_sent(org: Org) -> None:
    tell_and_push([(org.guide.pk, notice())], now=NOW)
    mark_read([Notification.objects.get().pk], actor=actor(org.guide), now=NOW)
    assert body(OutboxMessage.objects.get()) is None


def test_who_left_is_not_told(org: Org) -> None:
    Staff.objects.filter(pk=org.guide.pk).update(state="resigned")
    assert tell_and_push([(org.guide.pk, notice()), (org.manager.pk, notice())], now=NOW) == 1
    assert tell_and_push([], now=NOW) == 0
    assert OutboxMessage.objects.get().recipient == org.manager.wecom_user_id


@pytest.mark.parametrize(
    ("at", "goes"),
    [
        ("2026-11-21 09:29", "2026-11-21 09:30"), ("2026-11-21 09:30", "2026-11-21 09:30"),
        ("2026-11-21 21:59", "2026-11-21 21:59"), ("2026-11-21 22:00", "2026-11-22 09:30"),
    ],
)  # fmt: skip
def test_quiet_hours_wait_for_the_morning(at: str, goes: str) -> None:
    assert push_time(parse_iso(at)) == parse_iso(goes)
