"""The door's corner of Redis, with a short memory of Redis being gone so that nobody waits for it twice."""

import threading
from functools import cache

import redis
from django.conf import settings

from yejibao.core import clock

LOOK_AGAIN_SECONDS = 5.0


class RedisGone(Exception):
    """Redis does not answer; use PostgreSQL."""


class Store:
    """A Redis client that fails fast: after one failure it is left alone for five seconds."""

    def __init__(self, url: str, prefix: str) -> None:
        self.prefix = prefix
        self._client = redis.Redis.from_url(url, socket_timeout=1.0, socket_connect_timeout=0.5, decode_responses=True)
        self._gone_until = 0.0
        self._lock = threading.Lock()

    def key(self, *parts: object) -> str:
        """Return a full key of this slot."""
        return ":".join([self.prefix, *map(str, parts)])

    def client(self) -> "redis.Redis":
        """Return the client. Raises RedisGone while it is left alone."""
        if clock.monotonic() < self._gone_until:
            raise RedisGone
        return self._client

    def gone(self, error: Exception) -> RedisGone:
        """Note a failure and return what to raise."""
        with self._lock:
            self._gone_until = clock.monotonic() + LOOK_AGAIN_SECONDS
        return RedisGone(type(error).__name__)

    def get(self, key: str) -> str | None:
        """Return a value. Raises RedisGone."""
        try:
            value = self.client().get(key)
        except redis.RedisError as error:
            raise self.gone(error) from None
        return None if value is None else str(value)

    def set(self, key: str, value: str, seconds: int) -> None:
        """Set a value with its life. Raises RedisGone."""
        try:
            self.client().set(key, value, ex=max(1, seconds))
        except redis.RedisError as error:
            raise self.gone(error) from None

    def field(self, key: str, name: str) -> str | None:
        """Return one field of a hash. Raises RedisGone."""
        try:
            value = self.client().hget(key, name)
        except redis.RedisError as error:
            raise self.gone(error) from None
        return None if value is None else str(value)

    def delete(self, key: str) -> None:
        """Forget a value. Raises RedisGone."""
        try:
            self.client().delete(key)
        except redis.RedisError as error:
            raise self.gone(error) from None


@cache
def _store(url: str, prefix: str) -> Store:
    return Store(url, prefix)


def default_store() -> Store:
    """Return this process's store for the configured Redis."""
    return _store(settings.REDIS_URL, f"yj:{settings.SLOT}:wecom")
