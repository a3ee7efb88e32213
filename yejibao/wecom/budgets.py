"""How fast we may call: one shared account of every limit, so that no window is ever exceeded and nothing is dropped.

The platform drops a member's 31st message of a minute without a word, so pacing is what keeps messages alive. Limits
are ours or the platform's: per member and minute and hour, per (corp, API) and minute and hour, messages of the app per
day, and all calls of message/send together per second. Windows slide: no stretch of 1 s, 60 s or 3600 s holds more than
its limit, wherever it begins. Time is `core.clock`, so that a replay paces on the simulated clock.

State is in Redis, one script a question. Without Redis the same rules run on rows in PostgreSQL (`ledger.py`);
whichever side starts empty first learns from the outbox what was sent in the last hour.
"""

import json
import logging
import threading
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import redis
from django.conf import settings

from yejibao.core import clock

from . import ledger
from .ledger import HORIZON_SECONDS, PROBE_SECONDS, Limits, recent_sends
from .store import RedisGone, Store, default_store

log = logging.getLogger(__name__)

MEMBER_MINUTE, MEMBER_HOUR = 20, 600  # platform: 30 and 1,000, beyond which it drops silently
BURST_SHARE = 0.02  # of the calls of a second, so many may come at once
API_MINUTE, API_HOUR = 10_000, 150_000
TICKET_HOUR = 90  # of 100 an hour and app
MOMENTS_MINUTE = 8  # of 10
MESSAGES_PER_ACCOUNT_DAY = 200
BREAKER_FIRST, BREAKER_MOST = 60.0, 600.0


@dataclass(frozen=True)
class Slot:
    """Answer for one call. `granted`: it is booked, make it after `wait` seconds (mostly 0). Not granted: nothing is
    booked, ask again after `wait`. `probe`: the one call that finds out whether an open breaker may close. `booking` names
    the place in a member's windows, for `arrived`."""

    wait: float
    granted: bool
    probe: bool = False
    booking: str = ""


Arrival = tuple[str, str, datetime]  # recipient, booking, the latest moment at which its call can have arrived


def per_second() -> int:
    """Return how many messages all senders together may begin in any second."""
    return max(2, settings.WECOM_SENDS_PER_SECOND)


def limits_of(api: str) -> Limits:
    """Return the limits of an API; message/send is no part of the platform's basic frequency and has its own."""
    if api == "message/send":
        accounts = int(getattr(settings, "WECOM_ACCOUNT_COUNT", 10_000))
        burst = max(1, int(per_second() * BURST_SHARE))
        return Limits(
            member_minute=MEMBER_MINUTE, member_hour=MEMBER_HOUR, burst=burst, per_second=per_second() * 0.995 - burst,
            per_day=accounts * MESSAGES_PER_ACCOUNT_DAY,
        )  # fmt: skip
    if api in ("ticket/get", "get_jsapi_ticket"):
        return Limits(per_minute=TICKET_HOUR, per_hour=TICKET_HOUR)
    if api == "externalcontact/add_moment_task":
        return Limits(per_minute=MOMENTS_MINUTE, per_hour=API_HOUR)
    return Limits(per_minute=API_MINUTE, per_hour=API_HOUR)


class Budgets:
    """The budgets of one app of a corp."""

    def __init__(self, corp_id: str, agent_id: int, *, store: Store | None = None) -> None:
        self.corp_id, self.agent_id = corp_id, agent_id
        self.store = store or default_store()
        self._fell_back = False
        self._lock = threading.Lock()

    def reserve(
        self,
        *,
        api: str,
        recipients: Sequence[str] = ("",),
        now: datetime | None = None,
        limits: Limits | None = None,
        asking: Collection[int] = (),
    ) -> list[Slot]:
        """Ask for one call per recipient, in this order; a recipient may come several times. Takes what it grants.

        `asking` are the ids of the outbox rows this is about: claimed, but not on their way yet.
        """
        if not recipients:
            return []
        limits = limits or limits_of(api)
        moment = (now or clock.now()).timestamp()
        try:
            return self._in_redis(api, recipients, moment, limits, asking)
        except RedisGone:
            self._note_fall_back()
        answers = ledger.reserve(self._scope(api), recipients, moment, limits, self._day(moment), asking)
        return [Slot(wait, granted, probe, repr(moment + wait)) for wait, granted, probe in answers]

    def arrived(self, *, api: str, arrivals: Sequence[Arrival]) -> None:
        """Let bookings count from when their calls had surely arrived: a window slides as the platform sees it.

        Between the booking and the call lie a full line of others, a busy loop, a slow network.
        """
        try:
            keys = [self.store.key("member", self.corp_id, self.agent_id, name) for name, _, _ in arrivals]
            facts: list[Any] = []
            for _, booking, at in arrivals:
                facts += (at.timestamp(), booking)
            self._run(_ARRIVED, keys, facts)
        except RedisGone:
            self._note_fall_back()
            ledger.arrived(self._scope(api), [(name, booking, at.timestamp()) for name, booking, at in arrivals])

    def trip(self, api: str, *, now: datetime | None = None) -> float:
        """Open the breaker of an API: 60 s, doubled each time a probe fails, 10 min at most. Returns seconds left."""
        moment = (now or clock.now()).timestamp()
        log.warning("wecom: breaker of %s opens", api)
        try:
            return float(self._run(_TRIP, [self._breaker_key(api)], [moment, BREAKER_FIRST, BREAKER_MOST]))
        except RedisGone:
            self._note_fall_back()
            return ledger.trip(self._scope(api), moment, BREAKER_FIRST, BREAKER_MOST)

    def close(self, api: str) -> None:
        """Close the breaker: its probe came back well."""
        try:
            self.store.delete(self._breaker_key(api))
        except RedisGone:
            ledger.close(self._scope(api))

    def held_off(self, api: str, *, now: datetime | None = None) -> float:
        """Return for how many more seconds the breaker of an API stays open, 0 when it is closed."""
        moment = (now or clock.now()).timestamp()
        try:
            till = float(self.store.field(self._breaker_key(api), "till") or 0)
        except RedisGone:
            till = ledger.breaker_till(self._scope(api))
        left = till - moment
        return left if 0 < left <= BREAKER_MOST else 0.0

    def used_share(self, api: str, *, now: datetime | None = None) -> float:
        """Return how much of a budget is used, 0 to 1: of the minute's, the hour's or the day's, whichever is fullest."""
        moment = (now or clock.now()).timestamp()
        limits, scope = limits_of(api), self._scope(api)
        key = self.store.key
        try:
            pipe = self.store.client().pipeline(transaction=False)
            pipe.hgetall(key("minute", scope))
            pipe.hgetall(key("hour", scope))
            pipe.get(key("day", scope, self._day(moment)))
            minute, hour, day = pipe.execute()
        except RedisGone:
            minute, hour, day = ledger.used(scope, self._day(moment))
        except redis.RedisError as error:
            self.store.gone(error)
            minute, hour, day = ledger.used(scope, self._day(moment))
        used = (
            (sum(int(n) for slot, n in minute.items() if int(slot) > moment - 61), limits.per_minute),
            (sum(int(n) for slot, n in hour.items() if int(slot) > moment / 60 - 61), limits.per_hour),
            (int(day or 0), limits.per_day),
        )
        return max((count / limit for count, limit in used if limit), default=0.0)

    # ------------------------------------------------------------ Redis
    def _scope(self, api: str) -> str:
        return f"{self.corp_id}:{self.agent_id}:{api}"

    def _breaker_key(self, api: str) -> str:
        return self.store.key("breaker", self._scope(api))

    def _day(self, moment: float) -> str:
        return datetime.fromtimestamp(moment, clock.SHANGHAI).date().isoformat()

    def _in_redis(
        self, api: str, recipients: Sequence[str], moment: float, limits: Limits, asking: Collection[int]
    ) -> list[Slot]:
        key, scope = self.store.key, self._scope(api)
        keys = [
            self._breaker_key(api), key("second", scope), key("minute", scope), key("hour", scope),
            key("day", scope, self._day(moment)), self._epoch_key,
        ]  # fmt: skip
        if limits.member_hour:
            keys += [key("member", self.corp_id, self.agent_id, name) for name in recipients]
            if self._fell_back:
                self._forget_epoch()
        mark = uuid.uuid4().hex[:16]
        args: list[Any] = [
            moment, len(recipients), limits.per_second, limits.burst, HORIZON_SECONDS, limits.per_minute,
            limits.per_hour, limits.per_day, limits.member_minute, limits.member_hour, PROBE_SECONDS, mark,
        ]  # fmt: skip
        answer = self._run(_RESERVE, keys, args)
        if answer == "unseeded":
            self._seed(moment, asking)
            answer = self._run(_RESERVE, keys, args)
        return [
            Slot(float(wait), bool(granted), bool(probe), f"{mark}:{number}")
            for number, (wait, granted, probe) in enumerate(json.loads(answer), 1)
        ]

    def _run(self, script: str, keys: Sequence[str], args: Sequence[Any]) -> Any:
        try:
            client = self.store.client()
            registered = client.register_script(script)
            return registered(keys=keys, args=list(args))
        except redis.RedisError as error:
            raise self.store.gone(error) from None

    @property
    def _epoch_key(self) -> str:
        return self.store.key("epoch", self.corp_id, self.agent_id)

    def _seed(self, moment: float, asking: Collection[int]) -> None:
        """Tell an empty Redis what went out in the last hour, else it would allow a second helping of each minute."""
        try:
            pipe = self.store.client().pipeline(transaction=False)
            for number, recipient, at in recent_sends(moment, asking):
                name = self.store.key("member", self.corp_id, self.agent_id, recipient)
                pipe.zadd(name, {f"m{number}": at})
                pipe.expire(name, 3700)
            pipe.set(self._epoch_key, "1")
            pipe.execute()
        except redis.RedisError as error:
            raise self.store.gone(error) from None

    def _note_fall_back(self) -> None:
        with self._lock:
            if not self._fell_back:
                log.warning("wecom: Redis is gone, budgets are kept in PostgreSQL")
            self._fell_back = True

    def _forget_epoch(self) -> None:
        self.store.delete(self._epoch_key)
        with self._lock:
            self._fell_back = False
        log.warning("wecom: budgets are in Redis again")


# One question, answered and booked at once. Times are seconds with fractions. Returns [[wait, granted, probe], ...].
_RESERVE = """
local breaker, second, minute, hour, day, epoch = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local now, count = tonumber(ARGV[1]), tonumber(ARGV[2])
local per_second, burst, horizon = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local per_minute, per_hour, per_day = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local member_minute, member_hour = tonumber(ARGV[9]), tonumber(ARGV[10])
local probe_seconds, mark = tonumber(ARGV[11]), ARGV[12]

if member_hour > 0 and redis.call('EXISTS', epoch) == 0 then return 'unseeded' end

local function num(x) return string.format('%.6f', x) end

local shut, probing = 0, false
local state = redis.call('HMGET', breaker, 'till', 'probe_till')
if state[1] then
  local till, probe_till = tonumber(state[1]), tonumber(state[2] or '0')
  if till - now > 3600 then redis.call('DEL', breaker)
  elseif now < till then shut = till - now
  else
    probing = true
    if now < probe_till and probe_till - now <= probe_seconds then shut = math.min(2, probe_till - now) end
  end
end

local function used(key, grain, length)
  local from, total, oldest = math.floor((now - length) / grain), 0, nil
  local flat = redis.call('HGETALL', key)
  for i = 1, #flat, 2 do
    local slot = tonumber(flat[i])
    if slot < from or slot > math.floor(now / grain) + 1 then redis.call('HDEL', key, flat[i])
    else
      total = total + tonumber(flat[i + 1])
      if not oldest or slot < oldest then oldest = slot end
    end
  end
  return total, oldest
end

local in_minute, in_hour, in_day, minute_oldest, hour_oldest = 0, 0, 0, nil, nil
if per_minute > 0 then in_minute, minute_oldest = used(minute, 1, 60) end
if per_hour > 0 then in_hour, hour_oldest = used(hour, 60, 3600) end
if per_day > 0 then in_day = tonumber(redis.call('GET', day) or '0') end

local tat, tat_before = 0, 0
if per_second > 0 then
  tat = tonumber(redis.call('GET', second) or '0')
  if tat > now + horizon + 2 then tat = 0 end
  tat_before = tat
end

local answers, taken = {}, 0
for i = 1, count do
  local wait, booked = shut, 0
  if wait == 0 and per_minute > 0 and in_minute >= per_minute then wait = math.max(1, (minute_oldest + 61) - now) end
  if wait == 0 and per_hour > 0 and in_hour >= per_hour then wait = math.max(1, (hour_oldest + 61) * 60 - now) end
  if wait == 0 and per_day > 0 and in_day >= per_day then wait = 3600 end
  if wait == 0 and per_second > 0 then
    local start = math.max(tat, now)
    local ahead = start - now - (burst - 1) / per_second
    if ahead > horizon then wait = ahead - horizon
    elseif ahead > 0 then booked = ahead end
  end
  local key = KEYS[6 + i]
  if wait == 0 and member_hour > 0 then
    local at = now + booked
    redis.call('ZREMRANGEBYSCORE', key, '-inf', num(at - 3600))
    redis.call('ZREMRANGEBYSCORE', key, num(now + horizon + 2), '+inf')
    local hours = redis.call('ZCARD', key)
    if hours >= member_hour then
      local first = redis.call('ZRANGE', key, hours - member_hour, hours - member_hour, 'WITHSCORES')
      wait = tonumber(first[2]) + 3600.001 - now
    else
      local recent = redis.call('ZREVRANGE', key, member_minute - 1, member_minute - 1, 'WITHSCORES')
      if recent[2] and tonumber(recent[2]) > at - 60.001 then wait = tonumber(recent[2]) + 60.001 - now end
    end
  end
  if wait > 0 then answers[i] = '[' .. num(wait) .. ',0,0]'
  else
    taken = taken + 1
    in_minute, in_hour, in_day = in_minute + 1, in_hour + 1, in_day + 1
    minute_oldest, hour_oldest = minute_oldest or math.floor(now), hour_oldest or math.floor(now / 60)
    if per_second > 0 then tat = math.max(tat, now) + 1 / per_second end
    if member_hour > 0 then
      redis.call('ZADD', key, num(now + booked), mark .. ':' .. i)
      redis.call('EXPIRE', key, 3700)
    end
    if probing then
      redis.call('HSET', breaker, 'probe_till', num(now + probe_seconds))
      shut = 2
      answers[i] = '[' .. num(booked) .. ',1,1]'
    else answers[i] = '[' .. num(booked) .. ',1,0]' end
  end
end

if taken > 0 then
  if per_minute > 0 then redis.call('HINCRBY', minute, math.floor(now), taken); redis.call('EXPIRE', minute, 70) end
  if per_hour > 0 then redis.call('HINCRBY', hour, math.floor(now / 60), taken); redis.call('EXPIRE', hour, 3800) end
  if per_day > 0 then redis.call('INCRBY', day, taken); redis.call('EXPIRE', day, 100000) end
  if per_second > 0 and tat ~= tat_before then redis.call('SET', second, num(tat), 'EX', 60) end
end
return '[' .. table.concat(answers, ',') .. ']'
"""

# Each booking to its later moment; one that is no longer there has slid out of its windows.
_ARRIVED = """
for i = 1, #KEYS do redis.call('ZADD', KEYS[i], 'XX', 'GT', ARGV[2 * i - 1], ARGV[2 * i]) end
"""

# The first refusal opens, those that were under way at the time change nothing, a failed probe doubles.
_TRIP = """
local now, first, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local state = redis.call('HMGET', KEYS[1], 'till', 'step')
local step = first
if state[1] then
  local left = tonumber(state[1]) - now
  if left > 0 and left <= most then return string.format('%.6f', left) end
  if left <= 0 then step = math.min(tonumber(state[2]) * 2, most) end
end
redis.call('HSET', KEYS[1], 'till', string.format('%.6f', now + step), 'step', step, 'probe_till', '0')
redis.call('EXPIRE', KEYS[1], 7200)
return string.format('%.6f', step)
"""
