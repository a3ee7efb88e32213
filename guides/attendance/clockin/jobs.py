"""What Celery runs for this room."""

from datetime import timedelta

from celery import shared_task

from yejibao.core import clock
from yejibao.wecom import gateway

from .dayend import close_day, nudge_absent
from .keeping import coarsen
from .platform import is_due, pull


@shared_task
def remind_absent(**_: object) -> dict[str, int]:
    """Tell who is not there yet, once a day each; every five minutes of the day."""
    return nudge_absent(now=clock.now())


@shared_task
def close_days(**_: object) -> dict[str, int]:
    """Mark who never clocked in; at the end of the day, and in the morning for what was left of the day before."""
    now = clock.now()
    today = clock.local_day(now)
    before = close_day(today - timedelta(days=1), now=now)
    return {"today": close_day(today, now=now)["missing"], "yesterday": before["missing"]}


@shared_task
def pull_check_ins(**_: object) -> dict[str, int]:
    """Read the platform's own 打卡 where the setting is on; every minute, and mostly not this one."""
    now = clock.now()
    return pull(door=gateway.default(), now=now) if is_due(now) else {}


@shared_task
def coarsen_places(**_: object) -> dict[str, int]:
    """Leave of places older than 180 days a 100 m grid; every night."""
    return coarsen(now=clock.now())
