"""What Celery runs for this room."""

from celery import shared_task

from yejibao.core import clock

from . import services


@shared_task
def look_after_fittings(**_: object) -> dict[str, int]:
    """After midnight: who was booked for yesterday and did not come; who measures where somebody is away now."""
    now = clock.now()
    return services.end_missed(now=now) | {"passed_on": services.follow_roster(now=now)}
