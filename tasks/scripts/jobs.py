"""Celery entry points of the room."""

from celery import shared_task

from yejibao.core import clock

from . import services


@shared_task
def count_script_uses(**_: object) -> dict[str, int]:
    """Count how often each script was used and answered. Nightly."""
    return {"scripts": services.count_uses(now=clock.now())}
