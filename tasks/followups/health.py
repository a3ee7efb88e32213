"""What the engine tells of itself: steps that should have opened, tasks to be told, the recompute, the nightly proof."""

from datetime import datetime, timedelta

from django.db import connection

from tasks.cadences.models import CadenceVersion
from yejibao.core import clock, health
from yejibao.core.models import Heartbeat

PROOF_MAX_AGE = timedelta(hours=26)
RECOMPUTE_MAX_AGE = timedelta(minutes=15)


@health.queue("enrollments")
def due_enrollments(now: datetime) -> health.Queue:
    """Clock hands that should have moved; their lag is that of the newest 200 tasks."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH due AS MATERIALIZED (
                SELECT next_due_at FROM tasks_hand WHERE next_due_at <= %(now)s ORDER BY next_due_at LIMIT %(most)s
            ), aside AS MATERIALIZED (
                SELECT next_due_at, parked_tries AS tries FROM tasks_hand
                WHERE parked_tries > 0 ORDER BY enrollment_id LIMIT %(most)s
            )
            SELECT count(*), min(next_due_at), (SELECT count(*) FROM aside), (SELECT max(tries) FROM aside),
                (SELECT min(next_due_at - tries * interval '1 hour') FROM aside),
                (SELECT extract(epoch FROM percentile_disc(0.9) WITHIN GROUP (ORDER BY created_at - open_at))::float8
                 FROM (SELECT created_at, open_at FROM tasks_task ORDER BY id DESC LIMIT 200) newest)
            FROM due
            """,
            {"now": now, "most": health.COUNTED},
        )
        due, oldest, parked, tries, since, lag = cursor.fetchone()
    return health.Queue("", due, oldest, lag, attempts=tries or 0, parked=parked, aside_since=since)


@health.queue("notices")
def tasks_to_tell(now: datetime) -> list[health.Queue]:
    """Urgent tasks their guide should have been told of, in her store's hours; others wait for her half hour."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT t.priority = 1, count(*),
                min(greatest(t.tell_at, (%(today)s::date + st.opens_at) AT TIME ZONE 'Asia/Shanghai'))
            FROM (
                SELECT priority, tell_at, store_id, state, held_at, hidden_until FROM tasks_task
                WHERE tell_at <= %(now)s ORDER BY tell_at LIMIT %(most)s
            ) t JOIN guides_store st ON st.id = t.store_id
            WHERE t.state = 'open' AND t.held_at IS NULL AND (t.hidden_until IS NULL OR t.hidden_until <= %(now)s)
              AND (%(now)s AT TIME ZONE 'Asia/Shanghai')::time >= st.opens_at
              AND (%(now)s AT TIME ZONE 'Asia/Shanghai')::time < st.closes_at
            GROUP BY 1
            """,
            {"now": now, "today": clock.local_day(now), "most": health.COUNTED},
        )
        found = {is_urgent: (count, oldest) for is_urgent, count, oldest in cursor.fetchall()}
    urgent, oldest = found.get(True, (0, None))
    return [health.Queue("urgent", urgent, oldest), health.Queue("digest", found.get(False, (0, None))[0])]


@health.sign("recompute")
def recompute(now: datetime) -> health.Facts:
    """Whether the hands stand under the published rules; the engine opens by them even before."""
    since = (
        CadenceVersion.objects.filter(state="published", recompute_after_id__isnull=False)
        .order_by("published_at")
        .values_list("published_at", flat=True)
        .first()
    )
    is_late = since is not None and now - since > RECOMPUTE_MAX_AGE
    return {"state": "slow" if is_late else "ok", "is_running": since is not None, "since": since}


@health.gauge(
    "yejibao_recompute_running_seconds", "For how long the hands have been read again after a rule was published."
)
def recompute_running(now: datetime) -> list[tuple[dict[str, str], float]]:
    since = recompute(now)["since"]
    return [({}, max(0.0, (now - since).total_seconds()) if since else 0.0)]


@health.sign("conservation")
def conservation(now: datetime) -> health.Facts:
    """The nightly proof that no order, step or task was lost."""
    rows = list(Heartbeat.objects.filter(name__startswith="conservation:").order_by("name"))
    missing = sum(int(row.facts.get("missing", 0)) for row in rows)
    oldest = health.by_product_clock(min((row.at for row in rows), default=None), now)
    is_stale = oldest is not None and now - oldest > PROOF_MAX_AGE
    facts = {"missing": missing, "proved_at": oldest, "since": oldest}
    return facts | {"state": "down" if missing else "slow" if is_stale else "ok"}


@health.figures("conservation")
def conservation_figures(now: datetime) -> list[health.Family]:
    rows = [(row.name.partition(":")[2], row) for row in Heartbeat.objects.filter(name__startswith="conservation:")]
    age = clock.system_now()
    return [
        health.Family(
            "yejibao_conservation_missing", "Orders, steps and tasks the nightly proof did not find again.",
            [({"cadence": key}, float(row.facts.get("missing", 0))) for key, row in rows],
        ),
        health.Family(
            "yejibao_conservation_age_seconds", "Seconds since the last proof.",
            [({"cadence": key}, (age - row.at).total_seconds()) for key, row in rows],
        ),
    ]  # fmt: skip
