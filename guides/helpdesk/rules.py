"""What data/call_hq.yaml says besides the categories, and the clock of a question."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from guides.attendance.calendar import advance, open_all_days
from yejibao.core import clock
from yejibao.core.domain_files import read_yaml

FILE = Path(__file__).parent.parent / "data" / "call_hq.yaml"


@dataclass(frozen=True)
class Rules:
    opens: time
    closes: time
    duty_share: float
    low_rating: int
    close_after: timedelta


@cache
def book() -> dict[str, Any]:
    """Return the file as it stands."""
    loaded: dict[str, Any] = read_yaml(FILE)
    return loaded


@cache
def rules() -> Rules:
    facts = book()
    hours = facts["business_hours"]
    return Rules(
        time.fromisoformat(hours["opens"]), time.fromisoformat(hours["closes"]), float(facts["duty_share"]),
        int(facts["low_rating"]), timedelta(hours=facts["close_after_hours"]),
    )  # fmt: skip


@dataclass(frozen=True)
class Clock:
    """When the next are rung, the first answer is due, and the solution is."""

    all_at: datetime
    due_at: datetime
    solve_due_at: datetime


def clock_of(asked_at: datetime, *, minutes: int, hours: int) -> Clock:
    """Return the moments of a question: minutes of business hours, hours that run on and never end at night."""
    due_at = _after(asked_at, minutes)
    solved = _open_at(_open_at(asked_at) + timedelta(hours=hours))
    return Clock(_after(asked_at, minutes * rules().duty_share), due_at, max(due_at, solved))


def _after(moment: datetime, minutes: float) -> datetime:
    found = advance(moment, minutes, open_all_days(rules().opens, rules().closes))
    assert found is not None  # open every day
    return found


def _open_at(moment: datetime) -> datetime:
    """Return the moment itself within business hours, else when they begin again."""
    day, at = clock.local_day(moment), moment.astimezone(clock.SHANGHAI).time()
    if at < rules().opens:
        return clock.local_moment(day, rules().opens)
    return moment if at < rules().closes else clock.local_moment(day + timedelta(days=1), rules().opens)
