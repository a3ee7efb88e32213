"""How the house is: one registry of checks, read by /statusz, /metrics and the health page. Rooms add what only they know.

    @health.queue("events")                               # something waits: one statement, answered as a Queue
    def events(now): return health.Queue(due=3, oldest_due_at=...)

    @health.sign("redis", needs_database=False)           # anything else: facts, with `ok` or `state` among them
    def redis(now): return {"ok": True, "milliseconds": 0.4}

    @health.figures("processes")                          # families of /metrics that no queue gives
    def processes(now): yield health.Family("yejibao_heartbeat_age_seconds", "…", [({"process": "sender"}, 3.2)])

Each check has a second, all of them four, by the database's own timeout: who asks how the house is must get an answer just
when it is not well. A check that fails or is late is an answer too. Each makes one statement, through partial indexes and
never over more than COUNTED rows: more waiting is no worse.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg.errors
from django.db import InterfaceError, OperationalError, connection, transaction

from . import clock
from .models import Heartbeat

log = logging.getLogger("yejibao.health")

Facts = dict[str, Any]
Samples = Sequence[tuple[dict[str, str], float]]

CHECK_SECONDS = 1.0
READING_SECONDS = 4.0
COUNTED = 10_000
# The oldest due row of a queue: late is an alarm (reliability-security §12), stuck means that nobody works.
LATE_SECONDS, STUCK_SECONDS = 120, 900
NOTES = "health"  # the row that holds which signs are not well, and since when


@dataclass(frozen=True)
class Queue:
    """What waits in a queue, or in one kind of it. Counts end at COUNTED."""

    kind: str = ""
    due: int = 0  # should have been done by now
    oldest_due_at: datetime | None = None
    lag_seconds: float | None = None  # how late the newest ones were done
    retrying: int = 0  # of those that wait: tried before
    attempts: int = 0  # the most tries any of them has had
    unknown: int = 0  # nobody knows yet whether it happened
    failed: int = 0  # refused for good; a person decides
    parked: int = 0  # set aside; a person decides
    aside_since: datetime | None = None  # the oldest of failed and parked

    def late_seconds(self, now: datetime) -> float:
        return max(0.0, (now - self.oldest_due_at).total_seconds()) if self.oldest_due_at else 0.0


@dataclass(frozen=True)
class Family:
    """One family of /metrics."""

    name: str
    text: str
    samples: Samples
    is_counter: bool = False


@dataclass(frozen=True)
class _Check:
    read: Callable[[datetime], Any]
    needs_database: bool


_signs: dict[str, _Check] = {}
_queues: dict[str, _Check] = {}
_figures: dict[str, _Check] = {}
Sign = Callable[[datetime], Facts]
QueueRead = Callable[[datetime], Queue | Sequence[Queue]]
FiguresRead = Callable[[datetime], Iterable[Family]]
GaugeRead = Callable[[datetime], Iterable[tuple[dict[str, str], float]]]


def sign(name: str, *, needs_database: bool = True) -> Callable[[Sign], Sign]:
    """Add an entry to /statusz: facts with `ok`, or `state` (ok, slow, down) where there is more to say."""

    def add(read: Sign) -> Sign:
        _signs[name] = _Check(read, needs_database)
        return read

    return add


def queue(name: str) -> Callable[[QueueRead], QueueRead]:
    """Add a queue: an entry of /statusz and a sample in each `yejibao_queue_*` family of /metrics."""

    def add(read: QueueRead) -> QueueRead:
        _queues[name] = _Check(read, needs_database=True)
        return read

    return add


def figures(name: str, *, needs_database: bool = True) -> Callable[[FiguresRead], FiguresRead]:
    """Add families to /metrics. Read at each scrape, so that any number of processes tells the same."""

    def add(read: FiguresRead) -> FiguresRead:
        _figures[name] = _Check(read, needs_database)
        return read

    return add


def gauge(name: str, text: str) -> Callable[[GaugeRead], GaugeRead]:
    """Add one family of figures to /metrics."""

    def add(read: GaugeRead) -> GaugeRead:
        figures(name)(lambda now: [Family(name, text, list(read(now)))])
        return read

    return add


def due_age(oldest_due_at: datetime | None, now: datetime) -> Facts:
    """Return the facts of something that waits since then."""
    seconds = round(Queue(oldest_due_at=oldest_due_at).late_seconds(now), 1)
    state = "down" if seconds > STUCK_SECONDS else "slow" if seconds > LATE_SECONDS else "ok"
    return {"ok": state == "ok", "state": state, "oldest_due_seconds": seconds} | (
        {"since": oldest_due_at} if state != "ok" else {}
    )


def queue_facts(kinds: Sequence[Queue], now: datetime) -> Facts:
    """Return a queue's entry: the sums of its kinds; what waits for a person makes it slow."""
    facts = due_age(min((one.oldest_due_at for one in kinds if one.oldest_due_at), default=None), now)
    facts |= {
        "due": sum(one.due for one in kinds),
        "retrying": sum(one.retrying for one in kinds),
        "attempts": max((one.attempts for one in kinds), default=0),
        "unknown": sum(one.unknown for one in kinds),
        "failed": sum(one.failed for one in kinds),
        "parked": sum(one.parked for one in kinds),
        "lag_seconds": max((round(one.lag_seconds, 1) for one in kinds if one.lag_seconds is not None), default=None),
    }
    if facts["ok"] and (facts["parked"] or facts["failed"]):
        aside = min((one.aside_since for one in kinds if one.aside_since), default=None)
        facts |= {"ok": False, "state": "slow", "since": aside}
    return facts


# ---------------------------------------------------------------- reading, each check within its time


class _Reading:
    """One round of checks. Once the database does not answer at all, those that need it are not tried any more."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.ends = clock.monotonic() + READING_SECONDS
        self.is_database_gone = False

    def ask(self, check: _Check) -> Any:
        left = min(CHECK_SECONDS, self.ends - clock.monotonic())
        if left <= 0 or (check.needs_database and self.is_database_gone):
            raise TimeoutError
        if not check.needs_database:
            return check.read(self.now)
        try:
            with short_statements(left):
                answer = check.read(self.now)
                return list(answer) if isinstance(answer, Iterator) else answer
        except (OperationalError, InterfaceError) as error:
            if not is_impatience(error):
                self.is_database_gone = True
            raise


@contextmanager
def short_statements(seconds: float) -> Iterator[None]:
    """Run a block whose statements the database ends when they take or wait longer than this."""
    is_inside = connection.in_atomic_block
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {max(1, int(seconds * 1000))}")
        yield
        if is_inside:  # a test's transaction goes on after us
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout TO DEFAULT")


def is_impatience(error: BaseException) -> bool:
    """Tell whether the database ended a statement because of its time, and is well otherwise."""
    return isinstance(error.__cause__, psycopg.errors.QueryCanceled | psycopg.errors.LockNotAvailable)


def read_signs(now: datetime, *, only: Collection[str] = ()) -> Facts:
    """Return every sign and queue as facts, or only some; one that cannot be read is a sign too."""
    reading = _Reading(now)
    facts: Facts = {}
    for name, check in (_signs | _queues).items():
        if only and name not in only:
            continue
        try:
            found = reading.ask(check)
        except Exception as error:  # noqa: BLE001  each sign stands for itself
            is_late = isinstance(error, TimeoutError) or is_impatience(error)
            facts[name] = {"ok": False, "state": "slow" if is_late else "down", "error": type(error).__name__}
            continue
        if name in _queues:
            found = queue_facts([found] if isinstance(found, Queue) else found, now)
        found.setdefault("ok", found.get("state", "ok") == "ok")
        found.setdefault("state", "ok" if found["ok"] else "down")
        facts[name] = found
    _remember(facts, now, reading)
    return {"ok": all(one["ok"] for one in facts.values()), "now": now, **facts}


def _remember(facts: Facts, now: datetime, reading: _Reading) -> None:
    """Tell each sign that is not well since when, where it does not know; whoever sees a change first notes it."""

    def note(now: datetime) -> None:
        row = Heartbeat.objects.filter(name=NOTES).first()
        known: dict[str, Any] = row.facts if row else {}
        fresh = {name: note for name, note in known.items() if name not in facts}
        for name, one in facts.items():
            if one["state"] != "ok":
                before = known.get(name)
                fresh[name] = before if before and before[0] == one["state"] else [one["state"], now.isoformat()]
                one["since"] = one.get("since") or datetime.fromisoformat(fresh[name][1])
        if fresh != known:
            for name in sorted(known.keys() | fresh.keys()):
                if (state := (fresh.get(name) or ["ok"])[0]) != (known.get(name) or ["ok"])[0]:
                    log.warning("health changed", extra={"facts": {"part": name, "state": state}})
            Heartbeat.objects.update_or_create(name=NOTES, defaults={"at": clock.system_now(), "facts": fresh})

    try:
        reading.ask(_Check(note, needs_database=True))
    except Exception as error:  # noqa: BLE001  what was read counts, with or without its history
        log.warning("health not noted: %s", type(error).__name__)


def by_product_clock(moment: datetime | None, now: datetime) -> datetime | None:
    """Return an instant of the machine's clock as the product's clock has it: a demo's may be ahead."""
    return now - (clock.system_now() - moment) if moment else None


_OF_QUEUES: dict[str, tuple[str, Callable[[Queue, datetime], float | None]]] = {
    "due": ("Rows that should have been done by now; counted up to 10,000.", lambda q, now: q.due),
    "oldest_due_seconds": ("For how long the oldest of them has been due.", lambda q, now: q.late_seconds(now)),
    "lag_seconds": ("How late the newest done ones were.", lambda q, now: q.lag_seconds),
    "retrying": ("Rows that wait and were tried before.", lambda q, now: q.retrying),
    "attempts": ("The most tries a waiting row has had.", lambda q, now: q.attempts),
    "unknown": ("Rows of which nobody knows yet whether they happened.", lambda q, now: q.unknown),
    "failed": ("Rows refused for good that wait for a person.", lambda q, now: q.failed),
    "parked": ("Rows set aside that wait for a person.", lambda q, now: q.parked),
}


def read_families(now: datetime) -> Iterator[Family]:
    """Return all families of /metrics; what cannot be read is left out and counted in `yejibao_check_failed`."""
    reading = _Reading(now)
    failed: dict[str, float] = {}
    found: dict[str, Sequence[Queue]] = {}
    for name, check in _queues.items():
        failed[name] = 0
        try:
            answer = reading.ask(check)
            found[name] = [answer] if isinstance(answer, Queue) else answer
        except Exception:  # noqa: BLE001  each stands for itself
            failed[name] = 1
    for key, (text, value_of) in _OF_QUEUES.items():
        samples = [
            ({"queue": name, "kind": one.kind}, value)
            for name, kinds in found.items()
            for one in kinds
            if (value := value_of(one, now)) is not None
        ]
        yield Family(f"yejibao_queue_{key}", text, samples)
    for name, check in _figures.items():
        failed[name] = 0
        try:
            yield from list(reading.ask(check))
        except Exception:  # noqa: BLE001
            failed[name] = 1
    yield Family(
        "yejibao_check_failed", "1: this check could not be read.", [({"check": k}, v) for k, v in failed.items()]
    )
