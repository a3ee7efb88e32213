"""One beat of the engine, for production, the demo and the replay alike."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import DatabaseError

from yejibao.core import clock, outbox

from .opening import open_due
from .push import escalate, queue_notices
from .upkeep import expire_tasks, release_held

log = logging.getLogger("yejibao.engine")


def tick(
    *, now: datetime | None = None, budget: timedelta = timedelta(seconds=25), tells: bool = True
) -> dict[str, int]:
    """Hand over events, open what is due, expire what is past, release holds, queue what is to be told. Returns counts.

    Without `tells` nobody is pushed anything: the demo's older days. A part that fails is logged and counted, the others go
    on: each is a transaction of its own, and the next beat tries again.
    """
    started = clock.monotonic()
    counts = _part("event ", lambda: outbox.drain_events(seconds=budget.total_seconds() / 2))
    moment = now or clock.now()
    counts |= _part("expired", lambda: {"": expire_tasks(now=moment)})
    counts |= _part("released ", lambda: release_held(now=moment))
    left = max(1.0, budget.total_seconds() - (clock.monotonic() - started))
    counts |= _part("", lambda: open_due(now=moment, budget=timedelta(seconds=left)))
    if tells:
        counts |= _part("told ", lambda: queue_notices(now=moment))
        counts |= _part("escalated", lambda: {"": escalate(now=moment)})
    return {what: n for what, n in counts.items() if n}


def _part(name: str, work: Callable[[], dict[str, int]]) -> dict[str, int]:
    try:
        return {name + what: n for what, n in work().items()}
    except DatabaseError:
        log.exception("the beat's part %r failed", name.strip() or "opening")
        return {f"failed {name.strip() or 'opening'}": 1}
