"""How often one caller may do one thing. Counted in Redis; without it each process counts alone, at half the rate.

limits.hit("login", address, per_minute=10)      # raises TooMany with the seconds to wait
"""

import logging
import time
from functools import cache

from django.conf import settings
from django.http import HttpRequest
from limits import RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter, RateLimiter

from .errors import TooMany

log = logging.getLogger(__name__)


def hit(what: str, who: str, *, per_minute: int) -> None:
    """Count one try. Raises TooMany once `who` had his share of the last minute."""
    full = RateLimitItemPerMinute(per_minute)
    try:
        _take(_shared(settings.REDIS_URL, settings.SLOT), full, what, who)
    except StorageError as error:
        log.warning("no Redis for limits (%s): counting in this process", type(error.storage_error).__name__)
        _take(_alone(), RateLimitItemPerMinute(max(1, per_minute // 2)), what, who)


def _take(limiter: RateLimiter, rate: RateLimitItemPerMinute, what: str, who: str) -> None:
    if not limiter.hit(rate, what, who):
        opens_at = limiter.get_window_stats(rate, what, who).reset_time
        raise TooMany(retry_after=max(1, round(opens_at - time.time())))


@cache
def _shared(url: str, slot: str) -> MovingWindowRateLimiter:
    uri = url.replace("unix://", "redis+unix://", 1) if url.startswith("unix://") else url
    storage = RedisStorage(
        uri,
        key_prefix=f"yj:{slot}:limit",
        wrap_exceptions=True,
        socket_timeout=1,
        socket_connect_timeout=1,
    )
    return MovingWindowRateLimiter(storage)


@cache
def _alone() -> MovingWindowRateLimiter:
    return MovingWindowRateLimiter(MemoryStorage())


def address_of(request: HttpRequest) -> str:
    """Return the caller's address; behind TRUSTED_PROXY_COUNT proxies of our own, what the outermost of them saw."""
    hops = settings.TRUSTED_PROXY_COUNT
    if hops:
        seen = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
        if len(seen) >= hops:
            return seen[-hops]
    return str(request.META.get("REMOTE_ADDR", ""))
