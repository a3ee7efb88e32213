"""How many requests of one class a caller may have under way (core/limits, `at_once`): the fourth is told to wait.

Each request on its way is a member of a sorted set with the second it began, so that one whose process was killed is
forgotten after LEASE_SECONDS. Without Redis each process counts alone, at half the number.
"""

import logging
import threading
import time
import uuid
from collections import defaultdict
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from limits.errors import StorageError
from redis.exceptions import RedisError

from . import limits
from .errors import TooMany

log = logging.getLogger(__name__)

LEASE_SECONDS = 30
_BEGIN = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1] - ARGV[2])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
"""
_lock = threading.Lock()
_alone: defaultdict[str, int] = defaultdict(int)


class Underway:
    """One request on its way; `end` gives its place back, however it ended."""

    def __init__(self, key: str, mark: str) -> None:
        self.key, self.mark = key, mark

    def end(self) -> None:
        if not self.mark:
            with _lock:
                _alone[self.key] -= 1
            return
        try:
            _redis().zrem(self.key, self.mark)
        except (RedisError, StorageError) as error:
            log.warning("no Redis to give a place back (%s): it is free in %s s", type(error).__name__, LEASE_SECONDS)


def begin(what: str, who: str) -> Underway | None:
    """Take a place for a request of a class; None where the class does not count them. Raises TooMany."""
    most = limits.CLASSES[what].at_once
    if not most:
        return None
    key, mark = f"yj:{settings.SLOT}:at-once:{what}:{who}", uuid.uuid4().hex
    try:
        is_in = bool(_redis().eval(_BEGIN, 1, key, time.time(), LEASE_SECONDS, most, mark))
    except (RedisError, StorageError) as error:
        log.warning("no Redis to count requests under way (%s): counting in this process", type(error).__name__)
        mark = ""
        with _lock:
            is_in = _alone[key] < max(1, most // 2)
            _alone[key] += is_in
    if not is_in:
        raise TooMany(_("前面的还没处理完，稍等一下再点。"), retry_after=1)
    return Underway(key, mark)


def _redis() -> Any:
    return limits.shared_redis()
