"""What Celery runs for this room."""

from celery import shared_task

from yejibao.core import clock

from .services import keep_day


@shared_task
def ask_for_logs(**_: object) -> dict[str, int]:
    """Ask for the day's logs, remind of them, tell heads who missed; every ten minutes, each once a day."""
    return keep_day(now=clock.now())
