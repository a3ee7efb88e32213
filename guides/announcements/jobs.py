"""Celery entry points of announcements."""

from datetime import timedelta

from celery import shared_task

from yejibao.core import clock

from . import services


@shared_task(name="guides.announcements.jobs.go_on_with_announcements")
def go_on_with_announcements(**_: object) -> dict[str, int]:
    """Publish what is due, tell the audiences, remind, and call back what was withdrawn. Every 30 seconds."""
    now = clock.now()
    counts = {"published": services.publish_due(now=now)}
    counts |= services.spread(now=now, budget=timedelta(seconds=20))
    counts |= services.remind_due(now=now) | services.tell_managers_due(now=now) | services.mark_overdue(now=now)
    return counts | services.recall_withdrawn(now=now, budget=timedelta(seconds=20))


@shared_task(name="guides.announcements.jobs.tell_newcomers")
def tell_newcomers(**_: object) -> dict[str, int]:
    """Tell what is still in force to whoever joined its audience. Every five minutes."""
    return services.spread_to_newcomers(now=clock.now())
