"""What Celery runs for this room."""

from celery import shared_task

from yejibao.core import clock

from .services import expire_approvals


@shared_task
def end_old_approvals(**_: object) -> dict[str, int]:
    """End requests that nobody decided in time; every ten minutes."""
    return expire_approvals(now=clock.now())
