"""What Celery runs for this room."""

from celery import shared_task

from yejibao.core import clock

from . import services


@shared_task(name="guides.drive.jobs.read_spaces")
def read_spaces(**_: object) -> dict[str, int]:
    """Read the 微盘 spaces that folders stand for. Twice a day."""
    return services.read_spaces(now=clock.now())
