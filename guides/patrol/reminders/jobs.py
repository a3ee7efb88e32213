"""Celery entry points of the smart reminders."""

from typing import Any

from celery import shared_task

from yejibao.core import clock

from .services import remind


@shared_task(name="guides.patrol.reminders.jobs.remind_of_patrols")
def remind_of_patrols(**_: Any) -> dict[str, int]:
    """Tell the right people to go, with the numbers. Every morning."""
    return remind(now=clock.now())
