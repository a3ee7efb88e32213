"""Local months, by their first day."""

from datetime import date, datetime, timedelta

from yejibao.core import clock

TZ = "'Asia/Shanghai'"


def first_of(moment: datetime | date) -> date:
    """Return the first day of the local month."""
    day = clock.local_day(moment) if isinstance(moment, datetime) else moment
    return day.replace(day=1)


def next_month(month: date) -> date:
    return (month + timedelta(days=32)).replace(day=1)
