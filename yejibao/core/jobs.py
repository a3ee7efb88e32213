"""Jobs of the ground floor."""

from celery import shared_task

from . import heart


@shared_task
def heartbeat(**_: object) -> None:
    """Say that a worker takes and ends jobs. Every 15 seconds, on the default queue."""
    heart.beat("worker")
