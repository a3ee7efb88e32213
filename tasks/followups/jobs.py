"""Celery entry points of follow-ups: clock, one call, counts."""

from datetime import timedelta
from typing import Any

from celery import shared_task

from tasks.cadences.models import CadenceVersion
from yejibao.core import clock

from .services import forget_clicks, sample_spot_checks
from .tick import tick
from .told import settle_told


@shared_task(name="tasks.followups.jobs.open_due_tasks")
def open_due_tasks(**_: Any) -> dict[str, int]:
    """Beat the engine once. Every 30 seconds; stops by itself after 25 and leaves the rest to the next."""
    return tick()


@shared_task(name="tasks.followups.jobs.sample_spot_checks")
def sample_weekly_spot_checks(**_: Any) -> dict[str, int]:
    """Sample last week's manual evidence. Mondays."""
    today = clock.today()
    share = CadenceVersion.objects.get(cadence__key="3369", state="published").rules.get("spot_check_share", 0.05)
    monday = today - timedelta(days=today.weekday())
    return {"sampled": sample_spot_checks(week=monday, share=share, now=clock.now())}


@shared_task(name="tasks.followups.jobs.settle_notifications")
def settle_notifications(**_: Any) -> dict[str, int]:
    """Mark as read what tells of work that is over. Every quarter of an hour."""
    return {"settled": settle_told(now=clock.now())}


@shared_task(name="tasks.followups.jobs.forget_old_clicks")
def forget_old_clicks(**_: Any) -> dict[str, int]:
    """Drop what was kept of presses on cards. Nightly."""
    return {"forgotten": forget_clicks(now=clock.now())}
