"""What pages of HQ count over millions of rows is kept for some seconds; without Redis they are only slower."""

import contextlib
from typing import Any

import redis
from django.core.cache import cache

KEPT_SECONDS = 60  # the long ranges: millions of rows


def kept(key: str) -> Any:
    try:
        return cache.get(key)
    except redis.RedisError:
        return None


def keep(key: str, value: Any, *, seconds: int = KEPT_SECONDS) -> None:
    with contextlib.suppress(redis.RedisError):  # only slower without
        cache.set(key, value, seconds)


def forget(key: str) -> None:
    """Have it counted anew."""
    with contextlib.suppress(redis.RedisError):
        cache.delete(key)
