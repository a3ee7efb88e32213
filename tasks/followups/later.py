"""稍后: the moments at which a task may come back."""

from datetime import datetime, time, timedelta

from yejibao.core import clock, words

from . import hours
from .models import Task

EVENINGS = (time(11, 30), time(18, 0))  # preferred_slots of the domain file begin then


def later_moments(found: Task, now: datetime) -> list[tuple[datetime, str]]:
    """Return times to choose from: in the store's hours, before the task expires."""
    step = timedelta(minutes=5)
    soon = now + timedelta(hours=1)
    soon = soon - (soon - datetime.min.replace(tzinfo=soon.tzinfo)) % step + step
    today = clock.local_day(now)
    ideas = [(soon, "1 小时后")]
    for days, day_name in ((0, "今天"), (1, "明天"), (2, "后天")):
        day = today + timedelta(days=days)
        first = [(hours.opening(found.store, day) + timedelta(minutes=30))] if days else []
        for moment in [*first, *(clock.local_moment(day, at) for at in EVENINGS)]:
            ideas.append((moment, f"{day_name} {words.clock_time(moment)}"))
    fitting = [
        (moment, name)
        for moment, name in ideas
        if soon <= moment < found.expire_at and hours.is_open(found.store, moment)
    ]
    return fitting[:6]
