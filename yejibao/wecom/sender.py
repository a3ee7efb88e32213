"""Drains the outbox: claim, commit, post exactly the stored bytes, settle. One process, `manage.py run_sender`.

It needs neither broker nor beat: it polls every five seconds, sooner when nudged, and runs the tick when that is late.
What came of a call decides the row's next state (`outcomes.py`); "nobody knows" is a state of its own.
"""

import asyncio
import contextlib
import logging
import math
import random
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial

import redis.asyncio
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.db.models import QuerySet

from yejibao.core import clock, logs
from yejibao.core.outbox import messages as outbox
from yejibao.core.outbox.models import OutboxMessage
from yejibao.core.outbox.nudge import channel

from . import budgets, gateway
from .aclient import AsyncClient
from .beside import Beside, LivePace, Pace, SimulatedPace, run_with_caller_serving
from .errors import GatewayError, Kind
from .gateway import Gateway, Sent
from .lifesigns import LifeSigns
from .outcomes import API, Ending, State, outcome_of
from .second import Second

log = logging.getLogger(__name__)

IN_FLIGHT = 256
AHEAD, CLAIM_ROWS = 1500, 500  # so many more are claimed, rendered and booked while those are on their way
FIRST_ROWS = 100  # claimed when nothing is on its way, so that the first do not wait for the rendering of many
FEW_ROWS, GATHER_SECONDS = 50, 0.1  # after a claim of few the next one waits, so that they come together
POLL_SECONDS = 5.0
PATIENCE_SECONDS = 1.5  # a budget that frees sooner is waited for with the row in hand; else the row goes back
SETTLE_ROWS, SETTLE_SECONDS = 500, 0.1
STOP_SECONDS = 10.0
OUTAGE_CALLS, PROBES = 40, 4  # when so many calls in a row brought no answer, only so many go out at each poll
ALARM_SECONDS = 3600.0


def _boot_seconds() -> float:
    """Seconds that also pass while the machine sleeps, where the system can tell: a lease does not wait for us."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Sender:
    """Sends what is due with one app. `drain()` does it once, `serve()` until told to stop."""

    def __init__(self, door: Gateway, beside: Beside, pace: Pace, *, in_flight: int = IN_FLIGHT) -> None:
        self.door = door
        self.beside = beside
        self.pace = pace
        self.in_flight = in_flight
        self.client = AsyncClient(door, beside=beside)
        self.tally: Counter[str] = Counter()
        self._calls: set[asyncio.Task[None]] = set()
        self._outcomes: list[outbox.Outcome] = []
        self._arrivals: list[budgets.Arrival] = []
        self._returned: list[OutboxMessage] = []
        self._second = Second(budgets.per_second() if isinstance(pace, LivePace) else math.inf)
        self._lines = asyncio.Semaphore(in_flight)
        self._room, self._many = asyncio.Event(), asyncio.Event()
        self._alarmed: dict[int | None, float] = {}
        self._answers: deque[bool] = deque(maxlen=OUTAGE_CALLS)  # of the latest calls: whether the platform answered
        self._stopping = self._leaving = False
        self._wake = asyncio.Event()
        self._latest = 0.0  # how late the latest message was since the last sign of life
        self._life = LifeSigns(beside, self._facts)

    # ------------------------------------------------------------ one batch
    async def claim(self, limit: int) -> tuple[list[OutboxMessage], float]:
        """Claim what is due; returns it with the boot second at which its lease has no margin left."""
        if self._is_out:
            await self._rest(POLL_SECONDS)
            limit = min(limit, PROBES)
        end = _boot_seconds() + outbox.LEASE_SECONDS - outbox.LEASE_MARGIN_SECONDS
        now = self.pace.now()
        rows = await self.beside(lambda: outbox.claim(now=now, limit=limit))
        self.tally["claimed"] += len(rows)
        return rows, end

    async def dispatch(self, rows: Sequence[OutboxMessage], lease_end: float) -> None:
        """Start the calls of a batch as the budgets allow; what has to wait longer goes back with its time."""
        waiting = list(rows)
        waited = 0.0
        while waiting:
            now = self.pace.now()
            slots = await self.beside(partial(self._reserve, waiting, now))
            soon: list[OutboxMessage] = []
            shortest = PATIENCE_SECONDS
            for row, slot in zip(waiting, slots, strict=True):
                if slot.granted:
                    self._start(row, now + timedelta(seconds=slot.wait), slot, lease_end)
                elif waited + slot.wait <= PATIENCE_SECONDS and not self._stopping:
                    soon.append(row)
                    shortest = min(shortest, slot.wait)
                else:
                    later = now + timedelta(seconds=slot.wait + random.uniform(0.01, 0.5))
                    self.tally["paced"] += 1
                    again = State.UNKNOWN if row.first_unknown_at else State.PENDING
                    self._outcomes.append(
                        Ending(row, now)(again, code=row.errcode, text="", next_at=later, counts=False)
                    )
            waiting = soon
            if waiting:
                waited += shortest
                await self.pace.until(now + timedelta(seconds=shortest))

    def _reserve(self, rows: Sequence[OutboxMessage], now: datetime) -> list[budgets.Slot]:
        names, ids = [row.recipient for row in rows], [row.pk for row in rows]
        return self.door.budgets.reserve(api=API, recipients=names, now=now, asking=ids)

    def _start(self, row: OutboxMessage, at: datetime, slot: budgets.Slot, lease_end: float) -> None:
        call = asyncio.create_task(self._send(row, at, slot, lease_end), name=str(row.pk))
        self._calls.add(call)
        call.add_done_callback(self._ended)

    def _ended(self, call: "asyncio.Task[None]") -> None:
        self._calls.discard(call)
        if self._has_room():
            self._room.set()
        if len(self._outcomes) >= (SETTLE_ROWS if self._calls else FEW_ROWS):
            self._many.set()
        if not call.cancelled() and (error := call.exception()):
            # The row stays claimed; when its lease has run out it is unknown, and goes out again with the same bytes.
            log.error("sender: a call broke", exc_info=error, extra={"facts": {"message": call.get_name()}})

    async def _send(self, row: OutboxMessage, at: datetime, slot: budgets.Slot, lease_end: float) -> None:
        logs.bind(message=row.pk)  # a call has a context of its own
        if slot.wait:
            await self.pace.until(at)
        async with self._lines:
            started = await self._second.begin()
            if _boot_seconds() > lease_end or self._stopping:
                # Less than the margin is left of the lease, or we are leaving: surely not called, so back as it was.
                self._second.end(started, called=False)
                self._returned.append(row)
                return
            try:
                result: Sent | GatewayError = await self.client.send_message(bytes(row.body_bytes or b""))
            except GatewayError as error:
                result = error
            finally:
                self._second.end(started)
        if isinstance(result, GatewayError) and result.api == API:
            await self._look_at(result)
        self._note(isinstance(result, Sent) or result.kind not in (Kind.UNKNOWN, Kind.TRANSIENT))
        if slot.probe and (
            isinstance(result, Sent) or result.api == API and result.kind in (Kind.PERMANENT, Kind.ADMIN)
        ):
            await self.beside(lambda: self.door.budgets.close(API))
        now = self.pace.now()
        if now > at:
            self._arrivals.append((row.recipient, slot.booking, now))
        outcome = outcome_of(row, result, now=now)
        if outcome.state == State.SENT:
            self._latest = max(self._latest, (outcome.at - row.due_at).total_seconds())
        self.tally[outcome.state] += 1
        self._outcomes.append(outcome)

    @property
    def _is_out(self) -> bool:
        """Tell whether the platform is away altogether: then it is probed and not stormed, and nothing else is tried."""
        return len(self._answers) == OUTAGE_CALLS and not any(self._answers) and isinstance(self.pace, LivePace)

    def _note(self, is_answered: bool) -> None:
        was_out = self._is_out
        self._answers.append(is_answered)
        if self._is_out != was_out:
            log.warning("sender: the platform %s", "answers again" if was_out else "does not answer, probing")
            self._wake.set()

    async def _look_at(self, error: GatewayError) -> None:
        if error.kind is Kind.THROTTLE:
            now = self.pace.now()
            error.retry_after = await self.beside(lambda: self.door.budgets.trip(API, now=now))
        elif error.kind is Kind.ADMIN:
            now_seconds = clock.monotonic()
            if now_seconds - self._alarmed.get(error.code, -ALARM_SECONDS) >= ALARM_SECONDS:
                self._alarmed[error.code] = now_seconds
                log.error("wecom: an administrator is needed, messages are parked: %s", error)
        elif error.kind is Kind.PERMANENT:
            log.warning("wecom: refused for good: %s", error)

    async def _settle(self) -> None:
        """Write the outcomes so far. While the database is away they are kept: they count until the lease ends."""
        if self._returned:
            rows, self._returned = self._returned, []
            now = self.pace.now()
            try:
                self.tally["given_back"] += await self.beside(lambda: outbox.give_back(rows, now=now))
            except (DatabaseError, InterfaceError) as error:
                log.warning("sender: %s rows wait to go back: %s", len(rows), type(error).__name__)
                self._returned = rows + self._returned
        while self._outcomes:
            part, self._outcomes = self._outcomes[:SETTLE_ROWS], self._outcomes[SETTLE_ROWS:]
            arrivals, self._arrivals = self._arrivals, []
            try:
                written = await self.beside(partial(self._write, part, arrivals))
            except (DatabaseError, InterfaceError) as error:
                log.warning("sender: %s outcomes wait: %s", len(part), type(error).__name__)
                self._outcomes = part + self._outcomes
                await asyncio.sleep(1.0)
                return
            if written < len(part):
                self.tally["lost_lease"] += len(part) - written
                log.warning("sender: %s rows were no longer ours, nothing written", len(part) - written)

    def _write(self, outcomes: Sequence[outbox.Outcome], arrivals: Sequence[budgets.Arrival]) -> int:
        if arrivals:
            self.door.budgets.arrived(api=API, arrivals=arrivals)
        return outbox.settle(outcomes)

    async def _finish_calls(self) -> None:
        while self._calls:
            await asyncio.wait(list(self._calls))

    # ------------------------------------------------------------ once
    async def drain(self, *, seconds: float) -> dict[str, int]:
        """Send until nothing is due at this moment, or the seconds are used up. Returns counts by outcome."""
        deadline = clock.monotonic() + seconds
        async with self.client:
            while clock.monotonic() < deadline:
                before = await self.beside(lambda: _due(self.pace.now()).count())
                rows, lease_end = await self.claim(self.in_flight)
                if rows:
                    await self.dispatch(rows, lease_end)
                    await self._finish_calls()
                    await self._settle()
                elif await self.beside(lambda: _due(self.pace.now()).count()) in (0, before):
                    break  # nothing left, or only what another sender holds
            await self._settle()
        return dict(+self.tally)

    # ------------------------------------------------------------ until told to stop
    async def serve(self, stop: asyncio.Event) -> None:
        """Run until `stop`; then claim nothing more, finish within ten seconds and give the rest back."""
        async with self.client:
            helpers = [asyncio.create_task(work()) for work in (self._listen, self._life.keep_showing)]
            settling = asyncio.create_task(self._keep_settling())
            claiming = asyncio.create_task(self._keep_claiming())
            await stop.wait()
            log.info("sender: stopping")
            self._stopping = True
            self._wake.set()
            self._room.set()
            deadline = clock.monotonic() + STOP_SECONDS
            await asyncio.wait([claiming], timeout=STOP_SECONDS)
            if self._calls:
                # What is on its way may still be answered. The rest sees `_stopping` and goes back by itself.
                await asyncio.wait(list(self._calls), timeout=max(0.1, deadline - clock.monotonic()))
            for call in list(self._calls):
                call.cancel()  # its lease runs out: unknown, and the same bytes again
            for helper in helpers:
                helper.cancel()
            self._leaving = True
            await asyncio.wait([settling], timeout=STOP_SECONDS)  # not cancelled: what it holds would be lost
            await asyncio.gather(*helpers, return_exceptions=True)

    async def _keep_claiming(self) -> None:
        looked = 0.0
        while not self._stopping:
            try:
                if clock.monotonic() - looked > POLL_SECONDS:
                    looked = clock.monotonic()
                    lost = await self.beside(outbox.reclaim_lost)
                    if lost:
                        log.warning("sender: %s rows had lost their lease and are unknown now", lost)
                if not self._has_room():
                    self._room.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._room.wait(), timeout=POLL_SECONDS)
                    continue
                limit = CLAIM_ROWS if self._calls else FIRST_ROWS
                rows, lease_end = ([], 0.0) if self._life.is_clock_off else await self.claim(limit)
                if rows:
                    await self.dispatch(rows, lease_end)
                    if len(rows) < FEW_ROWS:
                        await asyncio.sleep(GATHER_SECONDS)  # a statement for each single one would cost more
                    continue
                rest = await self.beside(self._seconds_to_next)
            except Exception as error:  # noqa: BLE001 - whatever it is, the next poll has to come
                log.error("sender: %s while claiming: %s", type(error).__name__, str(error).split("\n")[0][:300])
                rest = POLL_SECONDS
            await self._rest(rest)

    def _facts(self) -> dict[str, float]:
        latest, self._latest = self._latest, 0.0
        return {
            "in_flight": len(self._calls), "waiting_outcomes": len(self._outcomes), "lag_seconds": round(latest, 1), **self.tally,
        }  # fmt: skip

    def _has_room(self) -> bool:
        return len(self._calls) <= self.in_flight + AHEAD - CLAIM_ROWS

    def _seconds_to_next(self) -> float:
        """Return how long nothing will be due, the poll's pause at most."""
        waiting = OutboxMessage.objects.filter(state__in=[State.PENDING, State.UNKNOWN])
        first = waiting.order_by("next_at").values_list("next_at", flat=True).first()
        if first is None or self._life.is_clock_off:
            return POLL_SECONDS
        # Due already and not claimed: somebody else has it in hand.
        return max(GATHER_SECONDS, min((first - self.pace.now()).total_seconds(), POLL_SECONDS))

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), timeout=seconds)
        if not self._stopping:
            self._wake.clear()

    async def _keep_settling(self) -> None:
        while not self._leaving:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._many.wait(), timeout=SETTLE_SECONDS)
            self._many.clear()
            await self._settle()
        await self._settle()

    async def _listen(self) -> None:
        """Hear the nudges through Redis. Without Redis the poll does it, five seconds slower."""
        while True:
            try:
                client = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2)
                async with client, client.pubsub() as pubsub:
                    await pubsub.subscribe(channel("messages"))
                    while True:
                        if await pubsub.get_message(ignore_subscribe_messages=True, timeout=30):
                            self._wake.set()
            except (redis.RedisError, OSError) as error:
                log.info("sender: no nudges: %s", type(error).__name__)
            await asyncio.sleep(POLL_SECONDS)


def _due(moment: datetime) -> QuerySet[OutboxMessage]:
    return OutboxMessage.objects.filter(state__in=[State.PENDING, State.UNKNOWN], next_at__lte=moment)


def drain_messages(
    *, now: datetime | None = None, seconds: float = 60.0, door: Gateway | None = None
) -> dict[str, int]:
    """Send once what is due at `now` (else the product's clock), in this process, and return counts by outcome.

    No time passes: waits of the per-second budget move the simulated moment, rows that have to wait longer get their
    `next_at`. The database is used on the caller's own connection.
    """
    moment = now or clock.now()
    outbox.reclaim_lost()
    if not _due(moment).exists():
        return {}  # a replay asks thousands of times: no loop and no connection for nothing
    pace: Pace = SimulatedPace(moment)
    door = door or gateway.default()

    async def work(beside: Beside) -> dict[str, int]:
        return await Sender(door, beside, pace).drain(seconds=seconds)

    return run_with_caller_serving(work)


def recall_messages(msgids: Iterable[str], *, door: Gateway | None = None) -> dict[str, int]:
    """Take messages back that are no longer true; what the platform refuses is counted, not raised."""
    door = door or gateway.default()
    tally: Counter[str] = Counter()
    for msgid in msgids:
        try:
            door.recall(msgid)
            tally["recalled"] += 1
        except GatewayError as error:
            log.info("wecom: not recalled: %s", error)
            tally["refused"] += 1
    return dict(tally)
