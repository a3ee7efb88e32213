"""What Celery runs for this room."""

from celery import shared_task

from yejibao.core import clock

from .holiday_services import seed_holidays as seed


@shared_task
def seed_holidays(**_: object) -> dict[str, int]:
    """Bring this year's and the next's holidays from the library; every night."""
    return seed(today=clock.today())
