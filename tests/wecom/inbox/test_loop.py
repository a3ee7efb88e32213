"""The process that works the inbox off, as threads of the test."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from yejibao.core.outbox import Event, events, nudge, publish
from yejibao.core.outbox.models import OutboxEvent
from yejibao.wecom.inbox import loop as loop_module
from yejibao.wecom.inbox.loop import Loop

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass(frozen=True)
class SomethingHappened(Event):
    topic: ClassVar[str] = "test.something_happened"
    number: int


@pytest.fixture
def heard() -> Iterator[list[int]]:
    numbers: list[int] = []
    events.subscribe(SomethingHappened)(lambda batch: numbers.extend(one.number for one in batch))
    yield numbers
    events._handlers.pop(SomethingHappened.topic)
    events._classes.pop(SomethingHappened.topic)


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loop]:
    monkeypatch.setattr(loop_module, "HEARTBEAT_SECONDS", 0.2)
    stop = threading.Event()
    loop = Loop(stop, lanes=1)
    thread = threading.Thread(target=loop.run)
    thread.start()
    yield loop
    stop.set()
    thread.join(15)
    assert not thread.is_alive()


def test_an_event_is_handed_over_after_its_commit_and_not_at_the_next_beat(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, heard: list[int], wait_until: Any
) -> None:
    monkeypatch.setattr(loop_module, "EVENTS_POLL_SECONDS", 600.0)  # only the hint can do it
    request.getfixturevalue("running")
    wait_until(lambda: nudge.client().pubsub_numsub(nudge.channel(events.NUDGE))[0][1])
    publish(SomethingHappened(0))
    wait_until(lambda: heard == [0])
    wait_until(lambda: not OutboxEvent.objects.filter(done_at=None).exists())
    publish(SomethingHappened(1))
    wait_until(lambda: heard == [0, 1])


def test_without_redis_the_poll_hands_it_over(
    monkeypatch: pytest.MonkeyPatch, no_redis: None, request: pytest.FixtureRequest, heard: list[int], wait_until: Any
) -> None:
    monkeypatch.setattr(loop_module, "EVENTS_POLL_SECONDS", 0.2)
    request.getfixturevalue("running")
    publish(SomethingHappened(0))
    wait_until(lambda: heard == [0])
