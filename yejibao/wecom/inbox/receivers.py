"""Which apps may be called, and what was turned away."""

import contextlib
from datetime import datetime
from functools import cache

import redis
from django.conf import settings

from yejibao.core import clock

from ..store import RedisGone, default_store
from .crypto import Keys

KEPT_SECONDS = 8 * 86_400


@cache
def _keys(token: str, aes_key: str, receiver: str) -> Keys | None:
    try:
        return Keys.parse(token, aes_key, receiver)
    except ValueError:
        return None  # the start-up check and the doctor say so


def keys_of(app: str) -> Keys | None:
    """Return what an app's receiver is configured with, None where there is no such receiver."""
    token, aes_key = settings.WECOM_CALLBACKS.get(app, ("", ""))
    return _keys(token, aes_key, settings.WECOM_CORP_ID) if token else None


def _key(day: datetime) -> str:
    return default_store().key("refused", clock.local_day(day).isoformat())


def count_refused(app: str, reason: str) -> None:
    """Count a request that was turned away. Only counted, never kept: its body may be anybody's."""
    store = default_store()
    key = _key(clock.now())
    with contextlib.suppress(RedisGone):
        try:
            with store.client().pipeline(transaction=False) as pipe:
                pipe.hincrby(key, f"{app}/{reason}", 1)
                pipe.expire(key, KEPT_SECONDS)
                pipe.execute()
        except redis.RedisError as error:
            raise store.gone(error) from None


def refused_on(day: datetime) -> dict[str, int]:
    """Return how often a day's requests were turned away: "app/reason" -> count. Empty while Redis is gone."""
    store = default_store()
    try:
        found = store.client().hgetall(_key(day))
    except redis.RedisError as error:
        store.gone(error)
        return {}
    except RedisGone:
        return {}
    return {str(name): int(number) for name, number in found.items()}
