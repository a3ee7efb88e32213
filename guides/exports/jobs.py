"""What Celery runs for this room."""

from datetime import timedelta

from celery import shared_task

from yejibao.core import clock

from .services import forget_old, make_due


@shared_task
def make_exports(**_: object) -> dict[str, int]:
    """Make the exports that wait. Every 30 seconds, and at once when one is asked for; stops by itself after 25."""
    return make_due(now=clock.now(), budget=timedelta(seconds=25))


@shared_task
def forget_exports(**_: object) -> dict[str, int]:
    """Delete files that nobody took within a day. Every ten minutes."""
    return forget_old(now=clock.now())
