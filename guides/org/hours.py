"""Business hours of a store, for one moment. The set-based twin of these rules is `tasks.cadences.moments`."""

from datetime import date, datetime, timedelta

from yejibao.core import clock

from .models import Store

WAVE_MINUTES = 10  # the first pushes of a day are spread over these minutes, from a minute after opening


def is_open(store: Store, now: datetime) -> bool:
    """Tell whether members may be contacted now: opens_at <= local time < closes_at."""
    local = now.astimezone(clock.SHANGHAI).time()
    return store.opens_at <= local < store.closes_at


def next_opening(store: Store, now: datetime) -> datetime:
    """Return now if the store is open, else the instant it opens next."""
    if is_open(store, now):
        return now
    day = clock.local_day(now)
    today = opening(store, day)
    return today if now < today else opening(store, day + timedelta(days=1))


def opening(store: Store, day: date) -> datetime:
    """Return the instant a store opens on a local day."""
    return clock.local_moment(day, store.opens_at)


def closing(store: Store, day: date) -> datetime:
    """Return the instant a store closes on a local day: the edge at which tasks fall due."""
    return clock.local_moment(day, store.closes_at)


def next_push(store: Store, now: datetime, *, minute: int) -> datetime:
    """Return now if the store is open, else this person's moment of the next morning's first wave."""
    opens = next_opening(store, now)
    return now if opens == now else opens + timedelta(minutes=1 + minute % WAVE_MINUTES)
