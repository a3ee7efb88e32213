"""One beat of the engine, for production, the demo and the replay alike."""

from datetime import datetime, timedelta

from yejibao.core import clock, outbox

from .opening import open_due
from .push import escalate, queue_notices
from .upkeep import expire_tasks, release_held


def tick(
    *, now: datetime | None = None, budget: timedelta = timedelta(seconds=25), tells: bool = True
) -> dict[str, int]:
    """Hand over events, open what is due, expire what is past, release holds, queue what is to be told. Returns counts.

    Without `tells` nobody is pushed anything: the demo's older days.
    """
    started = clock.monotonic()
    counts = {f"event {topic}": n for topic, n in outbox.drain_events(seconds=budget.total_seconds() / 2).items()}
    moment = now or clock.now()
    left = budget.total_seconds() - (clock.monotonic() - started)
    counts["expired"] = expire_tasks(now=moment)
    counts |= {f"released {why}": n for why, n in release_held(now=moment).items()}
    counts |= open_due(now=moment, budget=timedelta(seconds=max(1.0, left)))
    if tells:
        counts |= {f"told {what}": n for what, n in queue_notices(now=moment).items()}
        counts["escalated"] = escalate(now=moment)
    return {what: n for what, n in counts.items() if n}
