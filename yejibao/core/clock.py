"""The one clock. Everything that asks for the time asks here, so that a test, the demo or a replay can turn it.

Three layers, the first that is set wins: a moment this process travelled to; an offset file that all processes of a demo
share (`CLOCK_FILE`); the system's own clock. Lease and fence never come from here: they use PostgreSQL's `now()`.
"""

import json
import os
import time as _time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from django.conf import settings

SHANGHAI = ZoneInfo("Asia/Shanghai")

_travelled: datetime | None = None
_offset: tuple[float, float] = (0.0, 0.0)  # (read again after this monotonic second, offset in seconds)


def now() -> datetime:
    """Return the current instant in UTC, as the product sees it."""
    if _travelled is not None:
        return _travelled
    return system_now() + timedelta(seconds=_shared_offset())


def system_now() -> datetime:
    """Return the machine's own instant, whatever the product's clock says."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Return seconds for measuring durations; never jumps."""
    return _time.monotonic()


def today() -> date:
    """Return the local calendar date of `now()`."""
    return local_day(now())


def local_day(moment: datetime) -> date:
    """Return the calendar date of an instant in Asia/Shanghai."""
    return moment.astimezone(SHANGHAI).date()


def local_moment(day: date, at: time) -> datetime:
    """Return the instant (UTC) of a wall-clock time on a local day."""
    return datetime.combine(day, at, SHANGHAI).astimezone(UTC)


def parse_iso(text: str) -> datetime:
    """Parse ISO 8601; a text without an offset is Shanghai time, as a till prints it. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=SHANGHAI)).astimezone(UTC)


def travel(moment: datetime) -> None:
    """Stop this process's clock at a moment, until `release()` or the next `travel()`."""
    global _travelled
    if settings.PRODUCTION:
        raise RuntimeError("the clock is not turned in production")
    _travelled = moment.astimezone(UTC)


def release() -> None:
    """Let the clock run again."""
    global _travelled
    _travelled = None


@contextmanager
def travelled(moment: datetime) -> Iterator[None]:
    """Run a block at a moment."""
    before = _travelled
    travel(moment)
    try:
        yield
    finally:
        globals()["_travelled"] = before


def set_shared_offset(seconds: float, *, by_hand: bool = False) -> None:
    """Shift the clock of every process that shares the offset file. Demo only.

    `by_hand`: a person turned it, so for half an hour nobody else moves it out of the night.
    """
    global _offset
    path = Path(settings.CLOCK_FILE)
    scratch = path.with_suffix(".new")
    kept_until = _time.time() + 1800 if by_hand else 0
    scratch.write_text(json.dumps({"offset_seconds": seconds, "kept_until": kept_until}))
    os.replace(scratch, path)
    _offset = (0.0, seconds)


def _shared_offset() -> float:
    global _offset
    if not settings.CLOCK_FILE or settings.PRODUCTION:
        return 0.0
    read_again, seconds = _offset
    if monotonic() >= read_again:
        try:
            seconds = float(json.loads(Path(settings.CLOCK_FILE).read_text())["offset_seconds"])
        except (OSError, ValueError, KeyError):
            seconds = 0.0
        _offset = (monotonic() + 1.0, seconds)
    return seconds
