"""What Celery runs for this room."""

from celery import shared_task

from crm.tags.services import age_tags
from yejibao.core import clock


@shared_task
def age_filled_tags(**_: object) -> dict[str, int]:
    """Let computed values come back where what a guide filled in has had its year; each night, some thousands at a time."""
    now, changed = clock.now(), 0
    while count := age_tags(now=now):
        changed += count
    return {"changed": changed}
