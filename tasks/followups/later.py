"""稍后: the moments at which a task may come back."""

from datetime import datetime, time, timedelta

from yejibao.core import clock, words

from . import hours
from .models import Task

BEFORE_DUE = (timedelta(minutes=15), timedelta(minutes=5))  # whichever still leaves a while
AWAY = timedelta(minutes=5)  # sooner than that it need not go away
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
    return [*_before_due(found, now, soon), *fitting][:6]


def _before_due(found: Task, now: datetime, soon: datetime) -> list[tuple[datetime, str]]:
    """Return the moment that still leaves time for what falls due within the hour, if there is one."""
    if not now < found.due_at <= soon:
        return []
    for ahead in BEFORE_DUE:
        moment = found.due_at - ahead
        if moment - now >= AWAY and hours.is_open(found.store, moment):
            return [(moment, f"{words.clock_time(moment)}，到期前 {ahead.seconds // 60} 分钟")]
    return []


def beyond_due(found: Task, now: datetime) -> str:
    """Say that a task put off comes back after its due time; nothing where it was late before, or comes back in time."""
    if found.hidden_until is None or not now <= found.due_at < found.hidden_until:
        return ""
    return f"，会超过 {words.short_moment(found.due_at, now).removeprefix('今天 ')} 的期限"
