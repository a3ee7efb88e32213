"""Down is a call, up is an event.

A department publishes a frozen dataclass in the transaction of the change; whoever listens gets it in batches, in the
transaction of the done mark. So the effect happens once, whatever is killed in between. Handlers are still written to run
twice safely, because a person may replay an event.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any, ClassVar, TypeVar

from django.db import connection, transaction

from .. import clock
from ..scope import Actor
from ..sql import is_deadlock, twice_if_deadlocked
from .models import OutboxEvent
from .nudge import nudge

log = logging.getLogger("yejibao.outbox")

DRAIN_LOCK = 0x59_4A_42_01  # one drain at a time keeps events in the order they happened
MAX_ATTEMPTS = 5
NUDGE = "events"


@dataclass(frozen=True)
class Event:
    """Base of all events; the subclass names its `topic` and carries plain values only."""

    topic: ClassVar[str]


E = TypeVar("E", bound=Event)
Handler = Callable[[list[Any]], None]
_handlers: dict[str, list[Handler]] = defaultdict(list)
_classes: dict[str, type[Event]] = {}


def subscribe(
    event_class: type[E], *, batch: bool = True
) -> Callable[[Callable[[list[E]], None]], Callable[[list[E]], None]]:
    """Register a handler for an event class; it gets a list of events, in order."""

    def register(handler: Callable[[list[E]], None]) -> Callable[[list[E]], None]:
        _classes[event_class.topic] = event_class
        if handler not in _handlers[event_class.topic]:
            _handlers[event_class.topic].append(handler)
        return handler

    return register


def publish(event: Event) -> None:
    """Store an event with the change that caused it. Call inside the transaction of that change."""
    publish_many([event])


def publish_many(events: Iterable[Event]) -> None:
    """Store many events with one statement, and wake the drain after the commit; without the hint the tick does it."""
    now = clock.now()
    rows = [OutboxEvent(topic=event.topic, payload=asdict(event), created_at=now) for event in events]
    if rows:
        OutboxEvent.objects.bulk_create(rows, batch_size=2000)
        transaction.on_commit(lambda: nudge(NUDGE), robust=True)


def drain_events(*, batch: int = 1000, seconds: float = 25.0) -> dict[str, int]:
    """Hand waiting events to their handlers, oldest first, until none waits or time is up. Returns counts by topic."""
    tally: Counter[str] = Counter()
    deadline = clock.monotonic() + seconds
    while clock.monotonic() < deadline:
        handled = twice_if_deadlocked(lambda: _drain_batch(batch))
        if handled is None:
            break
        tally.update(handled)
    return dict(tally)


@transaction.atomic
def _drain_batch(batch: int) -> Counter[str] | None:
    """Handle one batch; None when nothing waits or somebody else is at it."""
    if not _lock():
        return None
    claimed = list(OutboxEvent.objects.filter(done_at=None, parked_at=None).order_by("id").select_for_update()[:batch])
    if not claimed:
        return None
    tally: Counter[str] = Counter()
    for topic, run in groupby(claimed, key=lambda row: row.topic):
        tally[topic] += _handle(topic, list(run))
    return tally


def _lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [DRAIN_LOCK])
        return bool(cursor.fetchone()[0])


def _handle(topic: str, rows: Sequence[OutboxEvent]) -> int:
    """Handle one run of a topic; a run that fails is halved until the bad one stands alone, and that one is set aside."""
    try:
        with transaction.atomic():
            if topic in _classes:
                events = [_classes[topic](**row.payload) for row in rows]
                for handler in _handlers[topic]:
                    handler(events)
        OutboxEvent.objects.filter(pk__in=[row.pk for row in rows]).update(done_at=clock.now())
        return len(rows)
    except Exception as error:
        if is_deadlock(error):
            raise  # no event's fault, and a part of the transaction cannot undo the locks of the rest
        if len(rows) > 1:
            middle = len(rows) // 2
            return _handle(topic, rows[:middle]) + _handle(topic, rows[middle:])
        row = rows[0]
        row.attempts += 1
        row.error = f"{type(error).__name__}: {error}"[:2000]
        if row.attempts >= MAX_ATTEMPTS:
            row.parked_at = clock.now()
        log.exception("event %s %s failed (attempt %s)", row.pk, topic, row.attempts)
        row.save(update_fields=["attempts", "error", "parked_at"])
        return 0


# ---------------------------------------------------------------- a person decides about what was set aside


@transaction.atomic
def retry_events(ids: Sequence[int], *, actor: Actor) -> int:
    """Hand parked events over again, with fresh tries. Returns how many."""
    from .. import audit

    waiting = list(_parked(ids))
    if waiting:
        OutboxEvent.objects.filter(pk__in=waiting).update(parked_at=None, attempts=0)
        audit.record(actor, "event.retried", OutboxEvent._meta.label, after={"ids": waiting})
        transaction.on_commit(lambda: nudge(NUDGE), robust=True)
    return len(waiting)


@transaction.atomic
def close_events(ids: Sequence[int], *, actor: Actor, reason: str) -> int:
    """Give up on parked events, with a reason; nobody hears of them any more. Returns how many."""
    from .. import audit
    from ..errors import Invalid

    reason = reason.strip()
    if not reason:
        raise Invalid(errors=[{"field": "reason", "code": "required", "message": "写一句为什么关闭"}])
    waiting = list(_parked(ids))
    if waiting:
        OutboxEvent.objects.filter(pk__in=waiting).update(done_at=clock.now())
        audit.record(actor, "event.closed", OutboxEvent._meta.label, after={"ids": waiting}, reason=reason)
    return len(waiting)


def _parked(ids: Sequence[int]) -> Iterable[int]:
    rows = OutboxEvent.objects.filter(pk__in=ids, done_at=None, parked_at__isnull=False).order_by("pk")
    return rows.select_for_update().values_list("pk", flat=True)
