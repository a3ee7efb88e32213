"""Celery entry points of rectification and of patrol figures."""

from typing import Any

from celery import shared_task

from yejibao.core import clock

from .following import follow_findings


@shared_task(name="guides.patrol.rectify.jobs.follow_rectifications")
def follow_rectifications(**_: Any) -> dict[str, int]:
    """Tell of what is late or unchecked, move what nobody has. Every ten minutes."""
    return follow_findings(now=clock.now())
