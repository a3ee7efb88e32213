"""How the house is: /healthz, /readyz, /statusz, /metrics. Rooms above add what only they can measure.

@health.sign("enrollments")                       # one entry of /statusz; {"ok": False, ...} makes the page say so
def oldest_due(now): return {"ok": ..., "oldest_due_seconds": ...}

@health.gauge("yejibao_tasks", "Tasks by state.")  # one family of /metrics
def tasks_by_state(now): yield {"state": "open"}, 12
"""

import hmac
import ipaddress
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from . import access, clock, nav
from .errors import Forbidden, SignInRequired
from .outbox.models import OutboxEvent, OutboxMessage

Facts = dict[str, Any]
Samples = Iterable[tuple[dict[str, str], float]]

# How long each process may be silent before it counts as stopped. Alarm at 2 minutes (reliability-security §12).
MAX_SILENCE_SECONDS = {"worker": 120, "sender": 60, "beat": 120}
MAX_DUE_AGE_SECONDS = 120
# What people call things, for the page. A key without a phrase stands in the JSON alone.
NAMES = {
    "outbox": "推送发件箱", "events": "部门间事件", "redis": "Redis", "heartbeats": "进程心跳", "enrollments": "跟进引擎",
    "wecom": "企业微信接口", "conservation": "守恒核对", "worker": "后台任务", "sender": "推送发送", "beat": "定时调度",
}  # fmt: skip
PHRASES = {
    "oldest_due_seconds": "最早一条已等 %.0f 秒", "due": "到点未处理 %d 条", "waiting": "等待处理 %d 条", "parked": "搁置 %d 条",
    "milliseconds": "响应 %.1f 毫秒", "token_age_seconds": "凭证已用 %d 秒", "missing": "对不上 %d 条", "error": "出错：%s",
}  # fmt: skip
READERS = ("hq_operator", "sys_admin")

_signs: dict[str, Callable[[datetime], Facts]] = {}
_gauges: dict[str, tuple[str, Callable[[datetime], Samples]]] = {}


def sign(name: str) -> Callable[[Callable[[datetime], Facts]], Callable[[datetime], Facts]]:
    """Add an entry to /statusz."""

    def add(read: Callable[[datetime], Facts]) -> Callable[[datetime], Facts]:
        _signs[name] = read
        return read

    return add


def gauge(name: str, text: str) -> Callable[[Callable[[datetime], Samples]], Callable[[datetime], Samples]]:
    """Add a family of figures to /metrics. Read from the database, so that any number of processes tells the same."""

    def add(read: Callable[[datetime], Samples]) -> Callable[[datetime], Samples]:
        _gauges[name] = text, read
        return read

    return add


def due_age(oldest_due_at: datetime | None, now: datetime) -> Facts:
    """Return the entry of a queue whose oldest due row is this one."""
    seconds = max(0.0, (now - oldest_due_at).total_seconds()) if oldest_due_at else 0.0
    return {"ok": seconds <= MAX_DUE_AGE_SECONDS, "oldest_due_seconds": round(seconds, 1)}


# ---------------------------------------------------------------- what this floor knows itself


@sign("outbox")
def _outbox(now: datetime) -> Facts:
    waiting = OutboxMessage.objects.filter(state__in=["pending", "unknown"], next_at__lte=now)
    oldest = waiting.order_by("next_at").values_list("next_at", flat=True).first()
    return due_age(oldest, now) | {"due": waiting.count()}


@sign("events")
def _events(now: datetime) -> Facts:
    waiting = OutboxEvent.objects.filter(done_at=None, parked_at=None)
    oldest = waiting.order_by("id").values_list("created_at", flat=True).first()
    parked = OutboxEvent.objects.filter(done_at=None, parked_at__isnull=False).count()
    facts = due_age(oldest, now) | {"waiting": waiting.count(), "parked": parked}
    return facts | {"ok": facts["ok"] and not parked}


@sign("redis")
def _redis(now: datetime) -> Facts:
    import redis  # here: it costs each process half a second, and few ask

    started = time.perf_counter()
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2) as client:
            client.ping()
    except redis.RedisError as error:
        return {"ok": False, "error": type(error).__name__}
    return {"ok": True, "milliseconds": round((time.perf_counter() - started) * 1000, 1)}


@sign("heartbeats")
def heartbeats(now: datetime) -> Facts:
    """Ages by the database's clock, which is the one that wrote them."""
    with connection.cursor() as cursor:
        cursor.execute("select name, extract(epoch from clock_timestamp() - at)::float8 from core_heartbeat")
        ages = dict(cursor.fetchall())
    processes = {}
    for name, limit in MAX_SILENCE_SECONDS.items():
        age = ages.get(name)
        processes[name] = {
            "ok": age is not None and age <= limit,
            "age_seconds": None if age is None else round(age, 1),
        }
    return {"ok": all(one["ok"] for one in processes.values()), "processes": processes}


@gauge("yejibao_outbox_messages", "Outgoing messages by state.")
def _messages_by_state(now: datetime) -> Samples:
    with connection.cursor() as cursor:
        # What still moves or failed, and what ended in the last day: the table keeps all rows for ever.
        cursor.execute(
            "select state, count(*) from core_outboxmessage"
            " where state in ('pending', 'claimed', 'unknown', 'failed', 'parked') or created_at > %s"
            " group by state",
            [now - timedelta(days=1)],
        )
        counted = dict(cursor.fetchall())
    for state in OutboxMessage.State.values:
        yield {"state": state}, counted.get(state, 0)


@gauge("yejibao_outbox_oldest_due_seconds", "Age of the oldest message that is due and not sent.")
def _message_age(now: datetime) -> Samples:
    yield {}, _outbox(now)["oldest_due_seconds"]


@gauge("yejibao_heartbeat_age_seconds", "Seconds since a process last showed a sign of life.")
def _heartbeat_ages(now: datetime) -> Samples:
    for name, process in heartbeats(now)["processes"].items():
        if process["age_seconds"] is not None:
            yield {"process": name}, process["age_seconds"]


# ---------------------------------------------------------------- who may ask


def is_internal(request: HttpRequest) -> bool:
    """Tell whether the caller sits on an internal address and did not come through a proxy, where all look internal."""
    if any(name in request.META for name in ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP")):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_private
    except ValueError:
        return False


def _has_token(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return bool(settings.METRICS_TOKEN) and hmac.compare_digest(given.encode(), settings.METRICS_TOKEN.encode())


# ---------------------------------------------------------------- the four answers


@access.anonymous("for the load balancer: says only that the process answers")
def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok\n", content_type="text/plain")


@dataclass
class _Remembered:
    """The answer to "is everything migrated?": reading the graph costs 50 ms, and a yes stays a yes."""

    pending: list[str] | None = None
    until: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self) -> list[str]:
        with self.lock:  # probes that come while one reads wait for its answer
            if self.pending is None or clock.monotonic() >= self.until:
                executor = MigrationExecutor(connection)
                plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
                self.pending = [f"{migration.app_label}.{migration.name}" for migration, _ in plan]
                self.until = clock.monotonic() + (2 if self.pending else 300)
            return self.pending


_migrations = _Remembered()


@access.anonymous("for the load balancer: database and migrations, no figures")
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 when this process can serve: the database answers and its tables are those of this code."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
        pending = _migrations.read()
    except Exception as error:  # noqa: BLE001  pool, driver, Django: whatever it is, we are not ready
        return JsonResponse({"ready": False, "database": type(error).__name__}, status=503)
    if pending:
        return JsonResponse({"ready": False, "unapplied_migrations": pending}, status=503)
    return JsonResponse({"ready": True})


@access.token("internal address, or one of READERS signed in; checked inside")
def statusz(request: HttpRequest) -> HttpResponse:
    """Answer with all signs of health; 200 whatever they say, since people and alarms read it: a page or JSON."""
    if not is_internal(request):
        actor = request.actor  # type: ignore[attr-defined]
        if actor.kind == "anonymous":
            raise SignInRequired()
        if not actor.has_role(*READERS):
            raise Forbidden()
    facts = read_signs(clock.now())
    if "text/html" in request.headers.get("Accept", ""):
        return render(request, "core/statusz.html", {"facts": facts, "rows": in_words(facts)})
    return JsonResponse(facts, json_dumps_params={"ensure_ascii": False, "indent": 1})


def in_words(facts: Facts) -> list[dict[str, Any]]:
    """Return the signs for a page: what, whether all is well, and the facts as short Chinese phrases."""
    rows = []
    for name in _signs:
        sign_facts = facts[name]
        told = [
            phrase % value
            for key, phrase in PHRASES.items()
            if (value := sign_facts.get(key)) not in (None, 0, 0.0, {}, [], "")
        ]
        for process, one in sign_facts.get("processes", {}).items():
            age = one["age_seconds"]
            ago = "没有心跳" if age is None else f"{age:.0f} 秒前"
            told.append(f"{NAMES.get(process, process)} {ago}")
        rows.append({"name": NAMES.get(name, name), "ok": sign_facts.get("ok", True), "facts": told})
    return rows


def read_signs(now: datetime) -> Facts:
    """Return every sign; one that cannot be read is a sign too."""
    facts: Facts = {}
    for name, read in _signs.items():
        try:
            facts[name] = read(now)
        except Exception as error:  # noqa: BLE001  each sign stands for itself
            facts[name] = {"ok": False, "error": type(error).__name__}
    return {"ok": all(one.get("ok", True) for one in facts.values()), "now": now.isoformat(), **facts}


@access.token("bearer token of METRICS_TOKEN, or an internal address; checked inside")
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer Prometheus with plain gauges, read from the database at this moment."""
    if not is_internal(request) and not _has_token(request):
        raise Forbidden()
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_FromDatabase(clock.now()))
    return HttpResponse(generate_latest(registry), content_type="text/plain; version=0.0.4; charset=utf-8")


class _FromDatabase(Collector):
    def __init__(self, now: datetime) -> None:
        self.now = now

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for name, (text, read) in _gauges.items():
            samples = list(read(self.now))
            family = GaugeMetricFamily(name, text, labels=sorted(samples[0][0]) if samples else ())
            for labels, value in samples:
                family.add_metric([labels[label] for label in sorted(labels)], value)
            yield family


nav.add("hq", key="statusz", label="系统状态", icon="activity", url="statusz", order=95, group="系统", roles=READERS)
