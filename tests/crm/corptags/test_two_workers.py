"""Two workers at once: no group is made twice, no friend is written twice, and nobody asked for in vain."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from crm.corptags.models import CorpTag, FriendTags
from crm.corptags.services import follow_members, settle_friends, start_tag_sync, sync_tags
from crm.corptags.services import settling as settling_module
from crm.members.models import FriendLink, Member
from crm.tags.loading import load_tags
from tests.conftest import SandboxControl, TestClock
from tests.factories.crm import make_friend, make_member, make_staff
from yejibao.core.outbox import drain_events
from yejibao.wecom import gateway, tokens

from .conftest import NOW, SMALL, SYSTEM, Chat

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Run calls in a thread each, all begun together; return what they returned."""
    found: list[Any] = [None] * len(calls)
    gate = threading.Barrier(len(calls))

    def run(place: int, call: Callable[[], Any]) -> None:
        gate.wait(10)
        try:
            found[place] = call()
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(place, call)) for place, call in enumerate(calls)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    return found


@pytest.fixture
def chat(transactional_db: None, sandbox: SandboxControl, clock: TestClock, monkeypatch: pytest.MonkeyPatch) -> Chat:
    from crm.corptags import queries

    tokens.Credentials.forget_process_copies()
    gateway._gateway.cache_clear()
    load_tags(now=NOW)
    whole = queries.mapped_tags
    for module in ("mapping", "following"):
        monkeypatch.setattr(f"crm.corptags.services.{module}.mapped_tags", lambda: whole().filter(key__in=SMALL))
    return Chat(sandbox, clock)


def test_two_workers(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    start_tag_sync(door=gateway.default(), actor=SYSTEM, now=NOW)
    at_once(*[lambda: sync_tags(door=gateway.default(), now=NOW)] * 2)
    assert len(chat.ids()) == CorpTag.objects.filter(value__isnull=False, gone_at=None).count() == 14 + 15 + 3
    assert len(chat.calls("add_corp_tag")) == 3

    links: list[FriendLink] = []
    for _ in range(6):
        member = make_member(owner=make_staff())
        links.append(make_friend(member))
        chat.befriend(links[-1])
        chat.say(member, "occupation", "教师")
    drain_events()
    monkeypatch.setattr(settling_module, "BATCH", 2)
    at_once(*[lambda: settle_friends(door=gateway.default(), now=NOW)] * 2)
    assert [chat.there(link) for link in links] == [["职业/教师"]] * 6
    assert (len(chat.calls()), chat.waiting()) == (6, 0)

    # somebody asks again while the call is under way: it is not forgotten
    member = Member.objects.get(pk=links[0].member_id)
    chat.say(member, "hobby", ["茶"])
    drain_events()
    chat.sandbox.fault("externalcontact/mark_tag", latency=300)

    def say_more() -> None:
        threading.Event().wait(0.15)
        chat.say(member, "hobby", ["茶", "酒"], at=NOW + timedelta(seconds=1))
        drain_events()

    at_once(lambda: settle_friends(door=gateway.default(), now=NOW, seconds=0.05), say_more)
    assert FriendTags.objects.get(link=links[0]).next_at is not None
    assert follow_members([member.pk], now=NOW) == 1
    settle_friends(door=gateway.default(), now=NOW)
    assert chat.there(links[0]) == ["爱好/茶", "爱好/酒", "职业/教师"]
