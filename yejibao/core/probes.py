"""What others ask about this process and this house: /healthz, /readyz, /statusz, /metrics."""

import hmac
import ipaddress
import threading
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import NoReverseMatch, reverse

from . import access, clock, health, metrics
from .errors import Forbidden, SignInRequired

READERS = ("hq_operator", "sys_admin")
PAGE = "cockpit:health"  # the same for people, by name: this floor knows no page


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


@health.sign("tables")
def tables(now: datetime) -> health.Facts:
    """Whether the tables are those of this code."""
    pending = _migrations.read()
    return {"ok": not pending, "unapplied": pending}


@access.token("internal address, or one of READERS signed in; checked inside")
def statusz(request: HttpRequest) -> HttpResponse:
    """Answer with all signs of health; 200 whatever they say, since alarms read it. People are sent to the page."""
    if "text/html" in request.headers.get("Accept", ""):
        try:
            return HttpResponseRedirect(reverse(PAGE))
        except NoReverseMatch:
            pass
    if not is_internal(request):
        actor = request.actor  # type: ignore[attr-defined]
        if actor.kind == "anonymous":
            raise SignInRequired()
        if not actor.has_role(*READERS):
            raise Forbidden(permission="status.read")
    return JsonResponse(health.read_signs(clock.now()), json_dumps_params={"ensure_ascii": False, "indent": 1})


@access.token("bearer token of METRICS_TOKEN, or an internal address; checked inside")
def prometheus(request: HttpRequest) -> HttpResponse:
    """Answer Prometheus: requests of this machine, and the house as the database has it at this moment."""
    if not is_internal(request) and not _has_token(request):
        raise Forbidden(permission="metrics.read")
    answer = metrics.exposition(clock.now())
    return HttpResponse(answer, content_type="text/plain; version=0.0.4; charset=utf-8")
