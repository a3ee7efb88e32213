"""By when a ticket wants its first word, a proposal, its end: aftersale.yaml `sla`, minutes that run in opening hours only.

Pure functions: whoever escalates (and whoever shows the time left) calls them with the store's hours.
"""

from datetime import datetime, timedelta
from functools import cache
from typing import Any

from guides.attendance.calendar import HoursOf, advance, open_all_days
from guides.org.models import Store
from yejibao.core import clock
from yejibao.core.domain_files import read_yaml

from .rules import DOMAIN

TAKEN_OVER_MINUTES = 30  # "store_manager has 30 min", once the first word was missed


@cache
def _sla() -> dict[str, Any]:
    book: dict[str, Any] = read_yaml(DOMAIN)["sla"]
    return book


def hours_of(store: Store) -> HoursOf:
    """Return the hours in which a store's ticket clocks run: its own, every day."""
    return open_all_days(store.opens_at, store.closes_at)


def first_word_due(opened_at: datetime, *, priority: int, hours: HoursOf) -> datetime | None:
    """Return by when the guide answers; opened at night, the clock starts with the next opening."""
    return advance(opened_at, _sla()["first_response"][priority], hours)


def manager_due(first_word_due_at: datetime, *, hours: HoursOf) -> datetime | None:
    """Return by when the store manager answers what the guide missed; after that it is customer service's."""
    return advance(first_word_due_at, TAKEN_OVER_MINUTES, hours)


def proposal_due(opened_at: datetime, *, priority: int, hours: HoursOf) -> datetime | None:
    """Return by when a solution is proposed."""
    return advance(opened_at, _sla()["solution_proposed"][priority], hours)


def closing_due(opened_at: datetime, *, priority: int, store: Store) -> datetime:
    """Return by when it is closed: the last of so many days, at closing time."""
    day = clock.local_day(opened_at) + timedelta(days=int(_sla()["closed_days"][priority]))
    return clock.local_moment(day, store.closes_at)
