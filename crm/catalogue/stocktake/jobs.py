"""What Celery runs for this room."""

from celery import shared_task

from yejibao.core import clock

from .services import expire_stocktakes


@shared_task
def end_old_stocktakes(**_: object) -> dict[str, int]:
    """End stocktakes that were not counted or decided in time; every half hour."""
    return expire_stocktakes(now=clock.now())
