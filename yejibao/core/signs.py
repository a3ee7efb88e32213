"""What the ground floor tells of itself: its two outboxes, Redis, the processes, the database, the disk."""

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from . import health
from .health import Family
from .models import Heartbeat, SendingGate

# How long each process may be silent before it counts as stopped. Alarm at 2 minutes (reliability-security §12).
MAX_SILENCE_SECONDS = {"worker": 120, "sender": 60, "beat": 120, "inbox": 60}
CLOCK_OFF_SECONDS = 2.0  # beyond it the sender sends nothing (§6, crash window 10)
SLOW_MILLISECONDS = 200  # for a question that takes one
LONG_TRANSACTION_SECONDS = 600
CONNECTION_SHARE = 0.8
BACKUP_OLD, DRILL_OLD = 26 * 3600, 8 * 86400  # seconds: a night and two hours; a week and a day
CELERY_QUEUES = ("default", "nightly")
LONG_CELERY_QUEUE = 500  # every job is a hint, and old ones expire: so many mean that nobody takes them
DISK_SLOW, DISK_FULL = (0.80, 50), (0.90, 20)  # share used, and fewer GiB free than this
OUTCOMES = ("sent", "failed", "pending", "unknown", "parked", "paced", "given_back", "lost_lease")
TOLD_BY_SENDER = {
    "in_flight": "Calls the sender has under way.",
    "lag_seconds": "How late the latest of the last five seconds' messages was sent.",
    "clock_off_seconds": "How far the sender's clock is off the database's; beyond 2 it sends nothing.",
}

Families = Iterator[Family]


def _row(sql: str, params: Any = None) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        row: tuple[Any, ...] = cursor.fetchone()
        return row


# ---------------------------------------------------------------- queues


@health.queue("outbox")
def outbox(now: datetime) -> list[health.Queue]:
    """Messages by kind: those that are due or come within ten minutes (all retries), and what waits for a person."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH moving AS MATERIALIZED (
                SELECT kind, state, attempts, next_at FROM core_outboxmessage
                WHERE state IN ('pending', 'unknown') AND next_at <= %(soon)s ORDER BY next_at LIMIT %(most)s
            ), aside AS MATERIALIZED (
                SELECT kind, state, created_at FROM core_outboxmessage
                WHERE state IN ('failed', 'parked') ORDER BY created_at DESC LIMIT %(most)s
            )
            SELECT kind, sum(due), min(oldest), sum(retrying), max(attempts), sum(unknown), sum(failed), sum(parked),
                min(aside_since)
            FROM (
                SELECT kind, (next_at <= %(now)s)::int AS due, CASE WHEN next_at <= %(now)s THEN next_at END AS oldest,
                    (attempts > 0)::int AS retrying, attempts, (state = 'unknown')::int AS unknown,
                    0 AS failed, 0 AS parked, NULL::timestamptz AS aside_since
                FROM moving
                UNION ALL
                SELECT kind, 0, NULL, 0, 0, 0, (state = 'failed')::int, (state = 'parked')::int, created_at FROM aside
            ) rows GROUP BY kind ORDER BY kind
            """,
            {"now": now, "soon": now + timedelta(minutes=10), "most": health.COUNTED},
        )
        found = [
            health.Queue(kind, due, oldest, None, retrying, attempts, unknown, failed, parked, since)
            for kind, due, oldest, retrying, attempts, unknown, failed, parked, since in cursor.fetchall()
        ]
    return found or [health.Queue()]


@health.queue("events")
def events(now: datetime) -> health.Queue:
    """News between departments; their lag is that of the newest 200."""
    due, oldest, retrying, attempts, parked, aside, lag = _row(
        """
        WITH waiting AS MATERIALIZED (
            SELECT created_at, attempts FROM core_outboxevent WHERE done_at IS NULL AND parked_at IS NULL
            ORDER BY id LIMIT %(most)s
        ), aside AS MATERIALIZED (
            SELECT parked_at FROM core_outboxevent WHERE done_at IS NULL AND parked_at IS NOT NULL ORDER BY id LIMIT %(most)s
        )
        SELECT count(*), min(created_at), count(*) FILTER (WHERE attempts > 0), coalesce(max(attempts), 0),
            (SELECT count(*) FROM aside), (SELECT min(parked_at) FROM aside),
            (SELECT extract(epoch FROM percentile_disc(0.9) WITHIN GROUP (ORDER BY done_at - created_at))::float8
             FROM (SELECT done_at, created_at FROM core_outboxevent ORDER BY id DESC LIMIT 200) newest
             WHERE done_at IS NOT NULL)
        FROM waiting
        """,
        {"most": health.COUNTED},
    )
    return health.Queue("", due, oldest, lag, retrying, attempts, parked=parked, aside_since=aside)


# ---------------------------------------------------------------- Redis, and what Celery keeps there


def _ask_redis() -> tuple[float, float, dict[str, int]]:
    """Return the milliseconds of a round trip, the share of its memory in use, and how many jobs wait by queue."""
    import redis  # here: it costs each process half a second, and few ask

    with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=0.5) as client:
        client.ping()
        started = time.perf_counter()
        client.ping()
        milliseconds = (time.perf_counter() - started) * 1000
        prefix = settings.CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"]
        pipe = client.pipeline(transaction=False)
        for name in CELERY_QUEUES:
            pipe.llen(f"{prefix}{name}")
        pipe.info("memory")
        *lengths, memory = pipe.execute()
    most = int(memory.get("maxmemory") or 0)
    share = int(memory["used_memory"]) / most if most else 0.0
    return milliseconds, share, dict(zip(CELERY_QUEUES, lengths, strict=True))


@health.sign("redis", needs_database=False)
def redis_answers(now: datetime) -> health.Facts:
    milliseconds, share, waiting = _ask_redis()
    is_ok = milliseconds < 100 and share < 0.8 and max(waiting.values()) < LONG_CELERY_QUEUE
    return {
        "state": "ok" if is_ok else "slow",
        "milliseconds": round(milliseconds, 1),
        "memory_share": round(share, 2),
        "jobs_waiting": waiting,
    }


@health.figures("redis", needs_database=False)
def redis_figures(now: datetime) -> Families:
    _, share, waiting = _ask_redis()  # Redis gone: yejibao_check_failed{check="redis"}
    yield Family("yejibao_redis_memory_share", "Share of Redis' memory in use.", [({}, share)])
    yield Family(
        "yejibao_celery_queue_length", "Jobs that wait in the broker.", [({"queue": k}, n) for k, n in waiting.items()]
    )


# ---------------------------------------------------------------- processes and jobs


@dataclass(frozen=True)
class Heart:
    """A row of the heartbeats. Its age is by the database's clock, which is the one that wrote it."""

    name: str
    at: datetime
    age: float
    facts: dict[str, Any]


def hearts() -> dict[str, Heart]:
    """Return all rows by name: processes, jobs (`job:NAME`), proofs."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, at, extract(epoch FROM clock_timestamp() - at)::float8, facts FROM core_heartbeat")
        return {name: Heart(name, at, age, json.loads(facts)) for name, at, age, facts in cursor.fetchall()}


@health.sign("heartbeats")
def heartbeats(now: datetime) -> health.Facts:
    """The processes; `jobs` are those of the schedule: when each last went well, how long it took, failures since."""
    found = hearts()
    processes: dict[str, health.Facts] = {}
    for name, limit in MAX_SILENCE_SECONDS.items():
        heart = found.get(name)
        age = None if heart is None else round(heart.age, 1)
        processes[name] = {"ok": age is not None and age <= limit, "age_seconds": age}
        if heart is not None:
            processes[name] |= {"since": health.by_product_clock(heart.at, now)} | {
                key: heart.facts[key] for key in TOLD_BY_SENDER if key in heart.facts
            }
    jobs = {
        name.removeprefix(Heartbeat.JOB): {"at": heart.at, "age_seconds": round(heart.age), **heart.facts}
        for name, heart in found.items()
        if name.startswith(Heartbeat.JOB)
    }
    return {"ok": all(one["ok"] for one in processes.values()), "processes": processes, "jobs": jobs}


@health.sign("gate")
def sending_gate(now: datetime) -> health.Facts:
    shut = SendingGate.objects.filter(opened_at=None).order_by("pk").values("why", "shut_at").first()
    return {"ok": shut is None, "why": shut["why"] if shut else "", "since": shut["shut_at"] if shut else None}


def newest_backup() -> Heartbeat | None:
    return Heartbeat.objects.filter(name=f"{Heartbeat.JOB}backup").first()


@health.sign("backups")
def backups(now: datetime) -> health.Facts:
    """The age of the newest backup and drill; an installation without a backup key has none, and says so by `is_wanted`."""
    ages = {
        name: heart.age for name, heart in hearts().items() if name in (f"{Heartbeat.JOB}backup", f"{Heartbeat.JOB}restore_drill")
    }  # fmt: skip
    backup, drill = ages.get(f"{Heartbeat.JOB}backup"), ages.get(f"{Heartbeat.JOB}restore_drill")
    is_wanted = bool(settings.BACKUP_RECIPIENTS) or settings.PRODUCTION
    is_ok = not is_wanted or (backup is not None and backup <= BACKUP_OLD and drill is not None and drill <= DRILL_OLD)
    return {
        "state": "ok" if is_ok else "slow",
        "is_wanted": is_wanted,
        "backup_age_seconds": None if backup is None else round(backup),
        "drill_age_seconds": None if drill is None else round(drill),
    }


@health.figures("heartbeats")
def process_figures(now: datetime) -> Families:
    found = hearts()
    jobs = {name.removeprefix(Heartbeat.JOB): heart for name, heart in found.items() if name.startswith(Heartbeat.JOB)}
    yield Family(
        "yejibao_heartbeat_age_seconds", "Seconds since a process last showed a sign of life.",
        [({"process": name}, found[name].age) for name in MAX_SILENCE_SECONDS if name in found],
    )  # fmt: skip
    yield Family(
        "yejibao_job_age_seconds", "Seconds since a job last went well.",
        [({"name": name}, heart.age) for name, heart in jobs.items()],
    )  # fmt: skip
    yield Family(
        "yejibao_job_failures", "How often in a row a job has failed.",
        [({"name": name}, heart.facts.get("failures", 0)) for name, heart in jobs.items()],
    )  # fmt: skip
    facts = found["sender"].facts if "sender" in found else {}
    yield Family(
        "yejibao_sender_messages", "Messages by what became of their calls, as this sender counted since it started.",
        [({"outcome": name, "sender": facts.get("sender", "")}, facts[name]) for name in OUTCOMES if name in facts],
        is_counter=True,
    )  # fmt: skip
    for key, text in TOLD_BY_SENDER.items():
        yield Family(f"yejibao_sender_{key}", text, [({}, facts[key])] if key in facts else [])


# ---------------------------------------------------------------- the database, and the disk of uploads


@dataclass(frozen=True)
class _Database:
    milliseconds: float
    clock_off_seconds: float
    connection_share: float
    longest_transaction_seconds: float


def _ask_database() -> _Database:
    before, started = time.time(), time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT extract(epoch FROM clock_timestamp())::float8, count(*)::float8 / current_setting('max_connections')::int,
                coalesce(max(extract(epoch FROM clock_timestamp() - xact_start))
                         FILTER (WHERE pid <> pg_backend_pid() AND datname = current_database()), 0)::float8
            FROM pg_stat_activity WHERE backend_type = 'client backend'
            """
        )
        at, share, longest = cursor.fetchone()
    milliseconds = (time.perf_counter() - started) * 1000
    off = max(0.0, before - at, at - time.time())
    return _Database(milliseconds, off, share, longest)


@health.sign("database")
def database(now: datetime) -> health.Facts:
    found = _ask_database()
    facts: health.Facts = {
        "milliseconds": round(found.milliseconds, 1),
        "clock_off_seconds": round(found.clock_off_seconds, 1),
        "connection_share": round(found.connection_share, 2),
        "longest_transaction_seconds": round(found.longest_transaction_seconds),
    }
    if found.clock_off_seconds > CLOCK_OFF_SECONDS:
        return facts | {"state": "down"}
    is_ok = (
        found.milliseconds < SLOW_MILLISECONDS
        and found.connection_share < CONNECTION_SHARE
        and found.longest_transaction_seconds < LONG_TRANSACTION_SECONDS
    )
    return facts | {"state": "ok" if is_ok else "slow"}


@health.figures("database")
def database_figures(now: datetime) -> Families:
    found = _ask_database()
    yield Family(
        "yejibao_database_connection_share",
        "Share of the database's connections in use.",
        [({}, found.connection_share)],
    )
    yield Family(
        "yejibao_database_longest_transaction_seconds", "Age of the oldest open transaction.",
        [({}, found.longest_transaction_seconds)],
    )  # fmt: skip
    yield Family(
        "yejibao_clock_off_seconds", "How far this machine's clock is off the database's.",
        [({}, found.clock_off_seconds)],
    )  # fmt: skip


def _disk() -> tuple[float, float]:
    """Return the share used and the GiB free of the volume that holds uploads."""
    place = Path(settings.MEDIA_ROOT)
    while not place.exists():
        place = place.parent
    usage = shutil.disk_usage(place)
    return 1 - usage.free / usage.total, usage.free / 2**30


@health.sign("disk", needs_database=False)
def disk(now: datetime) -> health.Facts:
    share, free = _disk()
    states = [
        state for state, (used, gigabytes) in (("down", DISK_FULL), ("slow", DISK_SLOW))
        if share >= used and free < gigabytes
    ]  # fmt: skip
    return {"state": states[0] if states else "ok", "used_share": round(share, 2), "free_gigabytes": round(free, 1)}


@health.gauge("yejibao_disk_used_share", "Share used of the volume that holds uploads.")
def disk_used(now: datetime) -> list[tuple[dict[str, str], float]]:
    return [({}, _disk()[0])]
