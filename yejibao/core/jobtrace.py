"""One log line and one row a job: what ran, how long, what it counted or why it failed. Connected by yejibao.celery.

The request id of the page that asked for a job goes with it. The row (`job:NAME` among the heartbeats) is how /metrics and
the health page know that the nightly jobs ran: the workers themselves are asked by nobody.
"""

import json
import logging
import time
from collections.abc import Mapping
from logging.config import dictConfig
from typing import Any

from celery import signals
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from . import logs

log = logging.getLogger("yejibao.job")

REQUEST = "request_id"
QUIET_MS = 1000  # an empty beat that was quicker than this is no news


@signals.setup_logging.connect
def _speak_as_the_others_do(**_: Any) -> None:
    """Keep Celery from setting up logs of its own."""
    dictConfig(settings.LOGGING)


@signals.before_task_publish.connect
def _send_request_id(headers: dict[str, Any] | None = None, **_: Any) -> None:
    if headers is not None and (request_id := logs.bound().get(REQUEST)):
        headers[REQUEST] = request_id


@signals.task_prerun.connect
def _begin(task: Any = None, task_id: str = "", **_: Any) -> None:
    facts = {"job": task.name, "job_id": task_id}
    # Among the message's headers, which Celery spreads over the request; a job run in place keeps them together.
    if request_id := getattr(task.request, REQUEST, None) or (task.request.headers or {}).get(REQUEST):
        facts[REQUEST] = request_id
    logs.start(**facts)
    task.request.began_at = time.monotonic()


@signals.task_postrun.connect
def _end(task: Any = None, retval: Any = None, state: str = "", **_: Any) -> None:
    ms = round((time.monotonic() - getattr(task.request, "began_at", time.monotonic())) * 1000, 1)
    is_well = state == "SUCCESS"
    counts = {key: n for key, n in retval.items() if isinstance(n, int)} if isinstance(retval, dict) else {}
    facts = {"ms": ms, "state": state.lower()} | ({"counts": counts} if counts else {})
    if not is_well:
        error = retval if isinstance(retval, BaseException) else None
        log.error("job", extra={"facts": facts}, exc_info=error)
    else:
        is_news = any(counts.values()) or ms >= QUIET_MS
        log.log(logging.INFO if is_news else logging.DEBUG, "job", extra={"facts": facts})
    try:
        note_run(task.name, ms=ms, error="" if is_well else type(retval).__name__, counts=counts)
    except (DatabaseError, InterfaceError) as error:  # the job is over; only its mark is missing
        log.warning("no mark of this run: %s", type(error).__name__)
    logs.start()


def note_run(name: str, *, ms: float, error: str = "", counts: Mapping[str, int] | None = None) -> None:
    """Note how a job went. `at` is when it last went well; facts hold ms, failures in a row, the last error's type, counts."""
    from .models import Heartbeat  # here: Celery connects us before Django has its models

    facts: dict[str, Any] = {"ms": ms, "failures": 1 if error else 0} | ({"error": error} if error else {})
    if told := {key: n for key, n in (counts or {}).items() if n}:
        facts["counts"] = told
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO core_heartbeat (name, at, facts)"
            " VALUES (%(name)s, CASE WHEN %(failed)s THEN 'epoch'::timestamptz ELSE clock_timestamp() END, %(facts)s)"
            " ON CONFLICT (name) DO UPDATE SET"
            " at = CASE WHEN %(failed)s THEN core_heartbeat.at ELSE excluded.at END,"
            " facts = excluded.facts || jsonb_build_object('failures', CASE WHEN %(failed)s"
            " THEN coalesce((core_heartbeat.facts->>'failures')::int, 0) + 1 ELSE 0 END)",
            {"name": f"{Heartbeat.JOB}{name}"[:64], "facts": json.dumps(facts), "failed": bool(error)},
        )
