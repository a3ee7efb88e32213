"""Celery entry points of the boards: clock, one call, counts."""

from datetime import timedelta
from typing import Any

from celery import shared_task

from yejibao.core import clock

from . import services

REBUILT_DAYS = 45


@shared_task(name="tasks.review.jobs.refresh_days")
def refresh_days(**_: Any) -> dict[str, int]:
    """Count the days again whose tasks changed. Each minute."""
    return services.refresh_days(now=clock.now())


@shared_task(name="tasks.review.jobs.rebuild_days")
def rebuild_days(**_: Any) -> dict[str, int]:
    """Count the last weeks from the tasks and compare. At night."""
    today = clock.today()
    return services.rebuild_days(start=today - timedelta(days=REBUILT_DAYS), end=today, now=clock.now())


@shared_task(name="tasks.review.jobs.send_daily_lists")
def send_daily_lists(**_: Any) -> dict[str, int]:
    """Queue the managers' lists. Every ten minutes of the morning; once a manager and day."""
    return services.send_daily_lists(now=clock.now())


@shared_task(name="tasks.review.jobs.send_weekly_lists")
def send_weekly_lists(**_: Any) -> dict[str, int]:
    """Queue the lists of stores that fell behind. Mondays; once a person and week."""
    return services.send_weekly_lists(now=clock.now())
