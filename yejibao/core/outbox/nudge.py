"""Hints through Redis: "look now". Losing one costs seconds, never a row."""

import logging
import time
from functools import cache

import redis
from django.conf import settings

log = logging.getLogger("yejibao.outbox")

GONE_SECONDS = 5.0


@cache
def client() -> "redis.Redis":
    """Return the shared Redis client with short timeouts."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)


def channel(name: str) -> str:
    """Return the pub/sub channel of a hint in this slot."""
    return f"yj:{settings.SLOT}:nudge:{name}"


_gone_until = 0.0  # a Redis that does not answer is left alone: nobody waits for a hint twice


def nudge(name: str) -> None:
    """Wake whoever listens to `name` (`messages` the sender, `inbox` and `events` the inbox process). Never raises."""
    global _gone_until
    if time.monotonic() < _gone_until:
        return
    try:
        client().publish(channel(name), "1")
    except redis.RedisError as error:
        _gone_until = time.monotonic() + GONE_SECONDS
        log.info("no nudge for %s: %s", name, type(error).__name__)
