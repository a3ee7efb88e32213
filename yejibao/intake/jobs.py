"""Celery entry points."""

from datetime import timedelta

from celery import shared_task

from yejibao.core import clock

from . import services
from .keeping import tidy
from .models import Batch


@shared_task
def go_on_with_batches(**_: object) -> dict[str, int]:
    """Read, check and take over uploaded files, the oldest first. Every 15 seconds, and when one was uploaded."""
    ends = clock.monotonic() + 60
    moved = 0
    for pk in (
        Batch.objects.filter(state__in=Batch.MOVING, way=Batch.Way.FILE).order_by("pk").values_list("pk", flat=True)
    ):
        left = ends - clock.monotonic()
        if left <= 0:
            break
        services.go_on(pk, now=clock.now(), budget=timedelta(seconds=left))
        moved += 1
    return {"batches": moved}


@shared_task
def count_days(**_: object) -> dict[str, int]:
    """Reconcile the last days' counts. Every ten minutes."""
    return {"sums": services.count_days(today=clock.today())}


@shared_task
def tidy_intake(**_: object) -> dict[str, int]:
    """Forget old batches and settled rows. Nightly."""
    return tidy(now=clock.now())
