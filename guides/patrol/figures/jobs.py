"""Celery entry points of patrol figures."""

import logging
from datetime import timedelta
from typing import Any

from celery import shared_task

from yejibao.core import clock

from ..queries import wrong_scores
from .services import count_again, count_due

log = logging.getLogger(__name__)


@shared_task(name="guides.patrol.figures.jobs.count_patrols")
def count_patrols(**_: Any) -> dict[str, int]:
    """Count the stores' months in which something changed. Every minute."""
    return count_due()


@shared_task(name="guides.patrol.figures.jobs.count_patrols_again")
def count_patrols_again(**_: Any) -> dict[str, int]:
    """Count this month and the last anew, and prove the scores of the last 70 days by a sum of the database. Nightly."""
    now = clock.now()
    if wrong := wrong_scores(now - timedelta(days=70)):
        log.error("patrol scores are not what their items add up to", extra={"facts": {"visits": wrong[:20]}})
    return count_again(now=now) | {"wrong_scores": len(wrong)}
