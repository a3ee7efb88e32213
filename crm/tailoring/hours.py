"""When a store measures: the slots of a day, and how many at once. Pure; the caller brings the rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from guides.org.models import Store
from yejibao.core import clock

from .models import FittingDay, FittingPlan

DEFAULT_MINUTES, DEFAULT_CAPACITY = 60, 1
DEFAULT_FIRST, DEFAULT_LAST = time(10, 0), time(20, 0)  # the last hours of a shop are no time to measure
STILL = timedelta(minutes=30)  # so long a slot that has begun can still be given by a guide: he stands before her

Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Hours:
    """When a store measures on an ordinary day, within the hours in which it is open."""

    is_offered: bool
    slot_minutes: int
    capacity: int
    first_at: time
    last_at: time

    @property
    def words(self) -> str:
        return f"{self.first_at:%H:%M}–{self.last_at:%H:%M}，每 {self.slot_minutes} 分钟一位" + (
            f"，同时 {self.capacity} 位" if self.capacity > 1 else ""
        )


@dataclass(frozen=True)
class Slot:
    """A time at which one can come, and how many places are left."""

    starts_at: datetime
    ends_at: datetime
    left: int

    @property
    def is_free(self) -> bool:
        return self.left > 0


def hours_of(store: Store, plan: FittingPlan | None) -> Hours:
    """Return a store's hours for fittings: as its manager has set them, never outside those of the store."""
    first, last = (plan.first_at, plan.last_at) if plan else (DEFAULT_FIRST, DEFAULT_LAST)
    return Hours(
        is_offered=plan.is_offered if plan else True,
        slot_minutes=plan.slot_minutes if plan else DEFAULT_MINUTES,
        capacity=plan.capacity if plan else DEFAULT_CAPACITY,
        first_at=max(first, store.opens_at), last_at=min(last, store.closes_at),
    )  # fmt: skip


def is_open_on(store: Store, day: date) -> bool:
    """Tell whether there is a store on a day: not before it opens, not from the day on which it closes for good."""
    return (store.opened_on is None or store.opened_on <= day) and (store.closed_on is None or day < store.closed_on)


def capacity_on(hours: Hours, special: FittingDay | None) -> int:
    """Return how many are measured at once on a day."""
    if not hours.is_offered:
        return 0
    return special.capacity if special is not None else hours.capacity


def spans_of(hours: Hours, day: date) -> Iterable[Span]:
    """Yield the slots of a day, one after the other; a rest that is too short for one is left out."""
    starts_at, end = clock.local_moment(day, hours.first_at), clock.local_moment(day, hours.last_at)
    length = timedelta(minutes=hours.slot_minutes)
    while starts_at + length <= end:
        yield starts_at, starts_at + length
        starts_at += length


def taken_at(span: Span, standing: Collection[Span]) -> int:
    """Return how many of these appointments lie at the same time; a plan that was changed leaves others askew."""
    return sum(starts_at < span[1] and ends_at > span[0] for starts_at, ends_at in standing)


def slots_of(
    store: Store, hours: Hours, day: date, special: FittingDay | None, standing: Collection[Span], *, not_before: datetime
) -> list[Slot]:  # fmt: skip
    """Return the slots of a day that begin from a moment on, with the places that are left in each."""
    capacity = capacity_on(hours, special) if is_open_on(store, day) else 0
    if not capacity:
        return []
    return [
        Slot(*span, left=max(0, capacity - taken_at(span, standing)))
        for span in spans_of(hours, day)
        if span[0] >= not_before
    ]
