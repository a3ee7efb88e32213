"""Works the inbox off: claim, read, tell the subscribers with no transaction open, settle.

Each entry stands for itself. A batch that fails is halved until the bad one stands alone; that one comes back later, five
times, and is then set aside on a screen. The platform's own trouble (rate limit, no answer) is not counted against an entry.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from yejibao.core import clock
from yejibao.core.outbox import Event

from ..errors import GatewayError, Kind
from ..events import FriendAdded
from . import keeping, readers
from .models import InboxEntry
from .readers import NotReadable
from .registry import reader_of, subscribers_of
from .services import LEASE_SECONDS, State, claim, give_back, note_failure, settle
from .xml import read_event

log = logging.getLogger(__name__)

BATCH, URGENT_BATCH = 20, 5
GIVE_BACK_AT = LEASE_SECONDS / 2  # a batch that took so long leaves the rest to whoever comes next
THROTTLED_PAUSE = timedelta(seconds=60)
MODULES = (readers, keeping)  # imported for what they register

Told = tuple[InboxEntry, Event]


def work_off(
    *, now: datetime | None = None, seconds: float = 25.0, urgent_only: bool = False, batch: int = BATCH
) -> dict[str, int]:
    """Work off what is due until nothing is or time is up. Returns counts by how it ended."""
    tally: Counter[str] = Counter()
    deadline = clock.monotonic() + seconds
    busy = True
    while busy and clock.monotonic() < deadline:
        busy = False
        for again in (False, True):
            moment = now or clock.now()
            entries = claim(now=moment, limit=batch, urgent_only=urgent_only, again=again)
            if entries:
                busy = True
                tally.update(_Batch(moment).run(entries))
    return dict(tally)


class _Batch:
    """One claimed batch on its way."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.tally: Counter[str] = Counter()
        self._failed: set[int] = set()
        self._must_end = clock.monotonic() + GIVE_BACK_AT

    def run(self, entries: Sequence[InboxEntry]) -> Counter[str]:
        told: dict[type[Event], list[Told]] = defaultdict(list)
        wanted: list[InboxEntry] = []
        unhandled: dict[str, list[InboxEntry]] = defaultdict(list)
        for entry in entries:
            try:
                found = _read(entry)
            except NotReadable as missing:
                unhandled[f"missing {missing}"].append(entry)
                continue
            if not any(subscribers_of(type(event)) for event in found):
                unhandled["nobody listens" if found else "unknown kind"].append(entry)
                continue
            wanted.append(entry)
            for event in found:
                told[type(event)].append((entry, event))
        for event_class, group in told.items():
            self._tell(event_class, group)
        for why, group_entries in unhandled.items():
            self.tally["unhandled"] += settle(group_entries, State.UNHANDLED, now=self.now, error=why)
        done = [entry for entry in wanted if entry.pk not in self._failed]
        if done:
            self.tally["done"] += settle(done, State.DONE, now=self.now)
        return self.tally

    def _tell(self, event_class: type[Event], group: Sequence[Told]) -> None:
        group = [(entry, event) for entry, event in group if entry.pk not in self._failed]
        if not group:
            return
        if clock.monotonic() > self._must_end:
            self._return(group, next_at=self.now, error="")
            return
        try:
            for subscriber in subscribers_of(event_class):
                subscriber([event for _, event in group])
        except Exception as error:  # noqa: BLE001  whatever a subscriber raises is about its events
            if isinstance(error, GatewayError) and error.kind is Kind.THROTTLE:
                pause = timedelta(seconds=error.retry_after) if error.retry_after else THROTTLED_PAUSE
                self._return(group, next_at=self.now + pause, error=_word(error))
            elif len(group) > 1:
                middle = len(group) // 2
                self._tell(event_class, group[:middle])
                self._tell(event_class, group[middle:])
            else:
                self._fail(group[0][0], error)

    def _return(self, group: Sequence[Told], *, next_at: datetime, error: str) -> None:
        entries = list({entry.pk: entry for entry, _ in group}.values())
        self._failed |= {entry.pk for entry in entries}
        self.tally["put_off"] += give_back(entries, next_at=next_at, error=error)

    def _fail(self, entry: InboxEntry, error: Exception) -> None:
        self._failed.add(entry.pk)
        # Our own code's errors are bugs and want their traceback; the platform's say what they are in one line.
        log.warning(
            "inbox %s %s failed (try %s): %s", entry.pk, entry.kind, entry.attempts + 1, _word(error),
            exc_info=None if isinstance(error, GatewayError) else error,
        )  # fmt: skip
        self.tally["parked" if note_failure(entry, _word(error), now=self.now) else "failed"] += 1


def _read(entry: InboxEntry) -> list[Event]:
    reader = reader_of(entry.kind)
    facts = read_event(entry.body.encode()) if reader else None
    if reader is None or facts is None:
        return []
    at = (entry.happened_at or entry.received_at).replace(microsecond=0).isoformat()
    received_at = entry.received_at.isoformat()
    return [
        replace(event, received_at=received_at) if isinstance(event, FriendAdded) else event
        for event in reader(facts, at)
    ]


def _word(error: Exception) -> str:
    """Return what may be kept of an error: its class, and of the platform's its call and code. Texts may quote people."""
    if isinstance(error, GatewayError):
        return f"{error.api} {error.kind}" + (f" {error.code}" if error.code is not None else "")
    return type(error).__name__
