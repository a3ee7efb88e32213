"""Celery entry points of notifications."""

from typing import Any

from celery import shared_task

from yejibao.core import clock

from .services import forget_old


@shared_task(name="guides.notices.jobs.forget_notifications")
def forget_notifications(**_: Any) -> dict[str, int]:
    """Drop old notifications. Nightly."""
    return {"forgotten": forget_old(now=clock.now())}
