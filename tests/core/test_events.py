"""Events between departments: handled once, in order, in the transaction of their done mark."""

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from django.db import transaction

from yejibao.core import outbox
from yejibao.core.models import Heartbeat, OutboxEvent
from yejibao.core.outbox import events as engine

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Rang(outbox.Event):
    topic: ClassVar[str] = "test.rang"
    number: int


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """What the handler got, batch by batch; number 13 makes it fail after it has written."""
    batches: list[list[int]] = []

    def hear(events: list[Rang]) -> None:
        numbers = [event.number for event in events]
        for number in numbers:
            Heartbeat.objects.create(name=f"rang {number}", at="2025-03-01T00:00:00Z")
        if 13 in numbers:
            raise ValueError("thirteen")
        batches.append(numbers)

    monkeypatch.setitem(engine._handlers, Rang.topic, [hear])
    monkeypatch.setitem(engine._classes, Rang.topic, Rang)
    return batches


def written() -> list[str]:
    return sorted(Heartbeat.objects.filter(name__startswith="rang").values_list("name", flat=True))


def test_a_run_is_handled_in_one_batch_in_order_and_once(heard: list[list[int]]):
    outbox.publish_many([Rang(3), Rang(1), Rang(2)])
    assert outbox.drain_events() == {"test.rang": 3}
    assert outbox.drain_events() == {}
    assert heard == [[3, 1, 2]]


def test_an_event_of_a_rolled_back_change_never_happened(heard: list[list[int]]):
    with pytest.raises(RuntimeError), transaction.atomic():
        outbox.publish(Rang(1))
        raise RuntimeError
    assert outbox.drain_events() == {}


def test_the_bad_one_stands_alone_and_the_others_go_on(heard: list[list[int]]):
    outbox.publish_many([Rang(number) for number in (11, 12, 13, 14)])
    assert outbox.drain_events(seconds=0.05)["test.rang"] == 3
    assert written() == ["rang 11", "rang 12", "rang 14"]  # what the failing one had written is gone
    bad = OutboxEvent.objects.get(done_at=None)
    assert bad.payload == {"number": 13}
    assert "thirteen" in bad.error


def test_after_five_tries_it_is_set_aside_for_a_person(heard: list[list[int]]):
    outbox.publish(Rang(13))
    for _ in range(6):
        outbox.drain_events(seconds=0.02)
    bad = OutboxEvent.objects.get()
    assert (bad.attempts, bad.parked_at is not None, bad.done_at) == (5, True, None)


def test_news_nobody_listens_to_is_done(heard: list[list[int]], monkeypatch: pytest.MonkeyPatch):
    @dataclass(frozen=True)
    class Unheard(outbox.Event):
        topic: ClassVar[str] = "test.unheard"

    outbox.publish(Unheard())
    outbox.drain_events()
    assert OutboxEvent.objects.exclude(done_at=None).count() == 1


def test_a_second_drain_leaves_the_first_alone(heard: list[list[int]], monkeypatch: Any):
    outbox.publish(Rang(1))
    monkeypatch.setattr(engine, "_lock", lambda: False)  # somebody else holds it
    assert outbox.drain_events() == {}
    assert OutboxEvent.objects.filter(done_at=None).count() == 1
