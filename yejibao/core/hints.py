"""A hint to the workers that something waits. It may get lost: the database says what is to be done, the beat looks by itself."""

import logging

from celery import current_app

log = logging.getLogger("yejibao.hints")
LASTS = 60  # seconds after which the beat has looked anyhow


def wake(job: str) -> None:
    """Let a worker run a job now. Without Redis nothing happens, and nobody waits for it."""
    try:
        current_app.send_task(job, expires=LASTS, retry=False)
    except Exception as error:  # noqa: BLE001  the broker's errors are of many kinds, and this is only a hint
        log.info("no hint for %s: %s", job, type(error).__name__)
