"""Handovers that nobody decided on."""

from celery import shared_task

from crm.members.services import apply_due_handovers, transfers
from yejibao.core import clock
from yejibao.wecom import gateway


@shared_task
def apply_handovers(**_: object) -> dict[str, int]:
    """Name the default heir where the manager did not within 24 hours; every 10 minutes."""
    return apply_due_handovers(now=clock.now())


@shared_task
def pass_on_friends(**_: object) -> dict[str, dict[str, int]]:
    """Start what transfers of friends are due, and read back what became of those under way; every 10 minutes."""
    door, now = gateway.default(), clock.now()
    return {"asked": transfers.ask_due(now=now, door=door), "settled": transfers.read_back(now=now, door=door)}
