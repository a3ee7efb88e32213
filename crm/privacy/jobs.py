"""Nightly: deletions that were approved."""

from celery import shared_task

from crm.privacy.services.forgetting import forget_approved
from yejibao.core import clock


@shared_task
def forget_members_nightly(**_: object) -> dict[str, int]:
    """Forget whoever asked for it and was approved by the evening; daily at 03:50, stops by itself after ten minutes."""
    return forget_approved(now=clock.now())
