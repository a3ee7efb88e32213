"""The dry run as the page shows it: both editions side by side, kept for some minutes, made aside where it takes long."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import redis
from celery import current_app
from django.core.cache import cache
from kombu.exceptions import OperationalError

from yejibao.core import clock

from . import publishing
from .forecast import Busy, Day, Forecast, compare
from .models import CadenceVersion

KEPT_SECONDS = 600
RUNNING_SECONDS = 180
MANY = 100_000  # waiting hands from which a worker counts, and the page asks again: some ten seconds a million


@dataclass(frozen=True)
class Trial:
    """What the next 30 days bring: online, and under the edition compared with it. None while it is being counted."""

    made_at: datetime
    online: Forecast | None
    other: Forecast | None
    is_running: bool = False

    @property
    def chosen(self) -> Forecast | None:
        return self.other or self.online

    @property
    def days(self) -> list[tuple[Day, Day | None]]:
        """Return each day online and under the other edition."""
        if self.online is None:
            return []
        others = self.other.days if self.other else (None,) * len(self.online.days)
        return list(zip(self.online.days, others, strict=True))

    @property
    def series(self) -> list[list[int]]:
        """Return the bars: online first."""
        return [[day.planned for day in one.days] for one in (self.online, self.other) if one]

    @property
    def labels(self) -> list[str]:
        return [f"{day.day.month}-{day.day.day}" for day in self.online.days] if self.online else []

    @property
    def spoken(self) -> str:
        """Return the chart in a sentence."""
        if self.online is None:
            return ""
        parts = [f"线上 30 天共 {self.online.planned} 件"]
        if self.other:
            parts.append(f"改后 {self.other.planned} 件")
        busiest = max((self.chosen or self.online).days, key=lambda day: day.planned)
        return "，".join([*parts, f"最多的一天 {busiest.day.month}-{busiest.day.day} {busiest.planned} 件"])

    @property
    def busiest(self) -> tuple[Busy, ...]:
        return self.chosen.busiest if self.chosen else ()

    @property
    def last_day(self) -> date | None:
        return self.online.days[-1].day if self.online else None


def _key(versions: Sequence[CadenceVersion], today: date) -> str:
    marks = [f"{one.pk}.{publishing.etag_of(list(one.steps.order_by('position')))}" for one in versions]
    return f"rules-trial:{today}:{':'.join(marks)}"


def kept(versions: Sequence[CadenceVersion], *, today: date) -> Trial | None:
    """Return the last dry run of these editions, if it is some minutes old at most."""
    return _get(_key(versions, today))


def run(versions: Sequence[CadenceVersion], *, now: datetime, is_fresh: bool = False) -> Trial:
    """Return the dry run of the edition online and, if given, another. `is_fresh`: count again whatever is kept.

    With very many waiting hands a worker counts; until it is through the answer says so and holds no figures.
    """
    key = _key(versions, clock.local_day(now))
    found = None if is_fresh else _get(key)
    if found:
        return found
    if publishing.members_waiting(versions[0].cadence_id) < MANY or not _ask_worker(versions, key):
        return count(versions, now=now)
    return Trial(now, None, None, is_running=True)


def _ask_worker(versions: Sequence[CadenceVersion], key: str) -> bool:
    """Have it counted aside, once however often it is asked for; False where no broker takes the order."""
    try:
        if cache.add(f"{key}:running", 1, RUNNING_SECONDS):
            cache.delete(key)
            _order_count(versions=[version.pk for version in versions])
    except (redis.RedisError, OperationalError):
        return False
    return True


def _order_count(*, versions: list[int]) -> None:
    """By name: a job leans on this module, not the other way round."""
    current_app.send_task("tasks.cadences.jobs.count_trial", kwargs={"versions": versions})


def count(versions: Sequence[CadenceVersion], *, now: datetime) -> Trial:
    """Count now and keep the answer."""
    today = clock.local_day(now)
    found = compare(versions, today=today)
    result = Trial(now, found[versions[0].pk], found[versions[1].pk] if len(versions) > 1 else None)
    key = _key(versions, today)
    with contextlib.suppress(redis.RedisError):
        cache.set(key, result, KEPT_SECONDS)
        cache.delete(f"{key}:running")
    return result


def _get(key: str) -> Trial | None:
    try:
        found: Trial | None = cache.get(key)
    except redis.RedisError:  # what is kept may be lost; it is counted again
        return None
    return found
