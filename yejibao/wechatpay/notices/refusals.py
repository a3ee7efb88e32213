"""What was turned away at the door: counted by reason and day, never kept: its body may be anybody's."""

import contextlib
from datetime import datetime

import redis
from django.conf import settings

from yejibao.core import clock
from yejibao.core.outbox.nudge import client

KEPT_SECONDS = 8 * 86_400


def _key(day: datetime) -> str:
    return f"yj:{settings.SLOT}:wechatpay:refused:{clock.local_day(day).isoformat()}"


def count_refused(reason: str) -> None:
    """Count one. Without Redis it is not counted."""
    key = _key(clock.now())
    with contextlib.suppress(redis.RedisError), client().pipeline(transaction=False) as pipe:
        pipe.hincrby(key, reason, 1)
        pipe.expire(key, KEPT_SECONDS)
        pipe.execute()


def refused_on(day: datetime) -> dict[str, int]:
    """Return how often a day's notices were turned away, by reason. Empty while Redis is gone."""
    try:
        found = client().hgetall(_key(day))
    except redis.RedisError:
        return {}
    return {name.decode(): int(count) for name, count in found.items()}  # type: ignore[union-attr]
