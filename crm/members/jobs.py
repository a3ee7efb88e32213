"""Handovers that nobody decided on."""

from celery import shared_task

from crm.members.services import apply_due_handovers
from yejibao.core import clock


@shared_task
def apply_handovers(**_: object) -> dict[str, int]:
    """Name the default heir where the manager did not within 24 hours, and pass on friends; every 10 minutes."""
    return apply_due_handovers(now=clock.now())
