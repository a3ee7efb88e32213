"""Signs of life: one row per process, by PostgreSQL's clock, read by /statusz and by bin/run."""

import json
import logging
from typing import Any

from django.db import DatabaseError, connection
from django_celery_beat.schedulers import DatabaseScheduler

from . import clock

log = logging.getLogger(__name__)

BEAT_EVERY_SECONDS = 15.0


def beat(name: str, **facts: Any) -> None:
    """Say that a process lives."""
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into core_heartbeat (name, at, facts) values (%s, clock_timestamp(), %s)"
            " on conflict (name) do update set at = excluded.at, facts = excluded.facts",
            [name, json.dumps(facts)],
        )


class BeatingScheduler(DatabaseScheduler):
    """The scheduler of django-celery-beat, which says that it lives: a beat that stands still must show."""

    _beats_again_at = 0.0

    def tick(self, *args: Any, **kwargs: Any) -> float:
        if clock.monotonic() >= self._beats_again_at:
            try:
                beat("beat")
            except DatabaseError as error:  # the schedule itself rides out a database restart; so does this
                log.warning("beat: no heartbeat: %s", type(error).__name__)
                connection.close()
            self._beats_again_at = clock.monotonic() + BEAT_EVERY_SECONDS
        return min(float(super().tick(*args, **kwargs)), BEAT_EVERY_SECONDS)
