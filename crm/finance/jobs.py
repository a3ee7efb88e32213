"""Celery entry points of finance."""

from celery import shared_task

from yejibao.core import clock

from .services import reconcile_due


@shared_task(name="crm.finance.jobs.reconcile_days")
def reconcile_days(**_: object) -> dict[str, int]:
    """Hold the provider's bills of yesterday against the books. Daily at 10:30; each hour after, what still waits or differs."""
    return reconcile_due(now=clock.now())
