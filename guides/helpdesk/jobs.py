"""What Celery runs for this room."""

from celery import shared_task

from yejibao.core import clock

from . import services


@shared_task(name="guides.helpdesk.jobs.ring_the_next")
def ring_the_next(**_: object) -> dict[str, int]:
    """Ring the next where nobody has answered in time. Every minute."""
    return services.ring_due(now=clock.now())


@shared_task(name="guides.helpdesk.jobs.close_unrated")
def close_unrated(**_: object) -> dict[str, int]:
    """Close what was answered and never rated. Every ten minutes."""
    return services.close_forgotten(now=clock.now())
