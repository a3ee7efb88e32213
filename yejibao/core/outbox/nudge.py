"""Hints through Redis: "look now". Losing one costs seconds, never a row."""

import logging
from functools import cache

import redis
from django.conf import settings

log = logging.getLogger("yejibao.outbox")


@cache
def client() -> "redis.Redis":
    """Return the shared Redis client with short timeouts."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)


def channel(name: str) -> str:
    """Return the pub/sub channel of a hint in this slot."""
    return f"yj:{settings.SLOT}:nudge:{name}"


def nudge(name: str) -> None:
    """Wake whoever listens to `name` (`events` the drain job, `messages` the sender). Never raises."""
    try:
        client().publish(channel(name), "1")
    except redis.RedisError as error:
        log.info("no nudge for %s: %s", name, type(error).__name__)
