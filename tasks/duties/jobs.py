"""Celery entry points of duties."""

from celery import shared_task

from yejibao.core import clock

from . import self_patrols, services


@shared_task(name="tasks.duties.jobs.expire_duties")
def expire_duties(**_: object) -> dict[str, int]:
    """End what nobody did in time. Every ten minutes."""
    return services.expire_duties(now=clock.now())


@shared_task(name="tasks.duties.jobs.open_self_patrols")
def open_self_patrols(**_: object) -> dict[str, int]:
    """Give each store's manager this week's self patrol. Monday 9:30; Tuesday again, should Monday have been missed."""
    return self_patrols.open_week(now=clock.now())
