"""How often one caller may do one thing. Counted in Redis; without it each process counts alone, at half the rate.

    @limits.by("search", given="q")           # a page: counts for its person each time `q` is asked for
    def members(request): ...

    class Search(ScopedViewSet):
        limit = "search"                      # an endpoint, or {"export": "export"} by action

    limits.hit("login", address)              # where a route is not enough; raises TooMany with the seconds to wait

What a class allows stands in CLASSES (reliability-security §11). That everybody may do 600 requests a minute is declared
nowhere: `count_request` does it for each.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import time as clock_time
from datetime import timedelta
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter, RateLimiter

from . import clock
from .errors import TooMany

log = logging.getLogger(__name__)

DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Share:
    """What one caller may do of one class. A minute is the last 60 seconds; a day ends at midnight in Shanghai."""

    per_minute: int = 0
    minutes: int = 1  # `per_minute` counts over so many
    per_day: int = 0
    alarm_at: int = 0  # so many of a day are told (health page), and still pass
    at_once: int = 0  # so many under way at the same moment (core/at_once)


CLASSES = {
    "login": Share(per_minute=10),
    "password": Share(per_minute=5, per_day=50),
    "search": Share(per_minute=60),
    "reveal": Share(per_minute=10, per_day=100, alarm_at=50),
    "export": Share(per_day=5),
    # The till, top-up, spending and refund declare this on each POST (a test asks it of whatever asks for one of their
    # permissions); the fourth of a cashier that is on its way at once is held back (core/at_once).
    "money": Share(per_minute=20, at_once=3),
    "coupon": Share(per_minute=60),  # grabbed by a member: one a second
    "upload": Share(per_minute=30),
    "survey": Share(per_minute=60),  # one screen behind a link; a whole town may share an address
    "word": Share(per_minute=20),  # a member asks, says or rates something: somebody's phone may ring
    "look": Share(per_minute=20),  # a member changes his week, likes it, asks: his guide's phone may ring
    "register": Share(per_minute=6),
    "clock": Share(per_minute=20),  # two a press
    "jssdk": Share(per_minute=120),  # two a page
    "misses": Share(per_minute=30, minutes=5),  # addresses that do not exist (guides/org/walking.py)
}
REQUESTS_AT_ONCE = 20  # so many of a person's requests are counted here before Redis hears of them

View = Callable[..., HttpResponse]


@dataclass(frozen=True)
class Limited:
    """What a route declares; `given` is the parameter without which a call does not count."""

    what: str
    given: str = ""

    def counts(self, request: HttpRequest) -> bool:
        return not self.given or bool(request.GET.get(self.given, "").strip() or request.POST.get(self.given))


def by(what: str, *, given: str = "") -> Callable[[View], View]:
    """Declare the class of a page; the middleware counts. Raises KeyError for a class that CLASSES does not know."""
    limited = Limited(what, given)
    CLASSES[what]

    def declare(view: View) -> View:
        view.limit = limited  # type: ignore[attr-defined]
        return view

    return declare


def of_view(view: Any, method: str) -> Limited | None:
    """Return what a resolved view declares for a method."""
    declared = getattr(view, "limit", None)
    if declared is None and (drf_class := getattr(view, "cls", None)) is not None:
        declared = getattr(drf_class, "limit", None)
        if isinstance(declared, dict):
            declared = declared.get((getattr(view, "actions", None) or {}).get(method.lower(), method.lower()))
    return Limited(declared) if isinstance(declared, str) else declared


# ---------------------------------------------------------------- one class


def hit(what: str, who: str, *, per_minute: int = 0) -> int:
    """Count one try of a class, or of `per_minute` where none has the name. Return how many it is today (0: not counted).

    Raises TooMany once `who` had his share.
    """
    share = Share(per_minute=per_minute) if per_minute else CLASSES[what]
    try:
        return _take(_shared(settings.REDIS_URL, settings.SLOT), share, what, who, part=1)
    except StorageError as error:
        log.warning("no Redis for limits (%s): counting in this process", type(error.storage_error).__name__)
        return _take(_alone(), share, what, who, part=2)


def spend(what: str, who: str, *, amount: int, per_day: int = 0, per_minute: int = 0) -> None:
    """Take `amount` from a budget too large to remember each taking: full again when the minute or the day of Shanghai begins.

    Raises TooMany; what is refused takes nothing. Without Redis each process counts alone.
    """
    try:
        _spend(_shared(settings.REDIS_URL, settings.SLOT).storage, what, who, amount, per_day, per_minute)
    except StorageError as error:
        log.warning("no Redis for limits (%s): counting in this process", type(error.storage_error).__name__)
        _spend(_alone().storage, what, who, amount, per_day, per_minute)


def _spend(storage: Any, what: str, who: str, amount: int, per_day: int, per_minute: int) -> None:
    if not per_day:
        _must_pass(FixedWindowRateLimiter(storage), RateLimitItemPerMinute(per_minute), what, who, amount)
        return
    key = _day_key(what, who)
    if storage.incr(key, DAY_SECONDS, amount) > per_day:
        storage.incr(key, DAY_SECONDS, -amount)
        raise TooMany(_("今天的额度用完了，请明天再试。"), retry_after=_seconds_left_today())


def _day_key(what: str, who: str) -> str:
    return f"day/{what}/{who}/{clock.local_day(clock.system_now()):%Y%m%d}"


def _take(limiter: MovingWindowRateLimiter, share: Share, what: str, who: str, *, part: int) -> int:
    if share.per_minute:
        rate = RateLimitItemPerMinute(max(1, share.per_minute // part), share.minutes)
        _must_pass(limiter, rate, what, who, 1)
    if not share.per_day:
        return 0
    most = max(1, share.per_day // part)
    count = limiter.storage.incr(_day_key(what, who), DAY_SECONDS)
    if count == max(1, share.alarm_at // part) and share.alarm_at:
        log.warning("a caller is near the day's end of a class", extra={"facts": {"class": what, "count": count}})
    if count > most:
        raise TooMany(_("今天的次数用完了，请明天再试。"), retry_after=_seconds_left_today())
    return int(count)


def _must_pass(limiter: RateLimiter, rate: RateLimitItem, what: str, who: str, amount: int) -> None:
    if not limiter.hit(rate, what, who, cost=amount):
        opens_at = limiter.get_window_stats(rate, what, who).reset_time
        seconds = max(1, round(opens_at - time.time()))
        raise TooMany(_("请 %(count)d 秒后再试。") % {"count": seconds}, retry_after=seconds)


def _seconds_left_today() -> int:
    now = clock.system_now()
    midnight = clock.local_moment(clock.local_day(now) + timedelta(days=1), clock_time())
    return max(1, int((midnight - now).total_seconds()))


# ---------------------------------------------------------------- everything


class _Tally:
    """The requests of this minute by person. Redis is told of every twentieth: a guide's day never gets there.

    So nobody is refused too early, and late by at most 20 requests for each process. Fixed minutes, forgotten at their end.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.minute = 0
        self.counts: dict[str, int] = {}
        self.full: set[str] = set()

    def count(self, who: str, minute: int) -> int:
        """Return how many it is in this process, -1 for who had his share."""
        with self.lock:
            if minute != self.minute:
                self.minute, self.counts, self.full = minute, {}, set()
            if who in self.full:
                return -1
            count = self.counts[who] = self.counts.get(who, 0) + 1
            return count


_tally = _Tally()


def count_request(who: str) -> None:
    """Count a request of a person. Raises TooMany beyond REQUESTS_PER_MINUTE of all processes together."""
    most = settings.REQUESTS_PER_MINUTE
    if not most:
        return
    now = time.time()
    minute = int(now // 60)
    count = _tally.count(who, minute)
    if 0 < count < most and count % REQUESTS_AT_ONCE:
        return
    if count < 0 or _is_full(who, minute, count, most):
        _tally.full.add(who)
        seconds = max(1, round((minute + 1) * 60 - now))
        raise TooMany(_("请 %(count)d 秒后再试。") % {"count": seconds}, retry_after=seconds)


def _is_full(who: str, minute: int, count: int, most: int) -> bool:
    if count > most:
        return True
    if count % REQUESTS_AT_ONCE:
        return False
    storage = _shared(settings.REDIS_URL, settings.SLOT).storage
    try:
        return bool(storage.incr(f"all/{who}/{minute}", 120, REQUESTS_AT_ONCE) > most)
    except StorageError:
        return count > most // 2


# ---------------------------------------------------------------- where it is counted


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


def shared_redis() -> Any:
    """Return the client behind the counts of all processes together."""
    held: Any = _shared(settings.REDIS_URL, settings.SLOT).storage  # RedisStorage; its base class knows no client
    return held.storage


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
