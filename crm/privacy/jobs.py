"""Nightly: deletions that were approved, and what is kept for a time only."""

from celery import shared_task

from crm.privacy.services.forgetting import forget_approved
from yejibao.core import clock, wearing


@shared_task
def forget_members_nightly(**_: object) -> dict[str, int]:
    """Forget whoever asked for it and was approved by the evening; daily at 03:50, stops by itself after ten minutes."""
    return forget_approved(now=clock.now())


@shared_task
def forget_worn_out(**_: object) -> dict[str, int]:
    """Clear words and delete rows whose time is over (pii_catalogue.yaml); daily, stops by itself after ten minutes."""
    return wearing.run(now=clock.now())
