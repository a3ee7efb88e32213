"""Walking through ids: a session that meets more than 30 addresses that do not exist in five minutes is ended, and told.

Each of them answered 404 as it should; who tries so many is no guide at her work. Source: reliability-security §11.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest

from yejibao.core import audit, health, limits, metrics
from yejibao.core.errors import TooMany
from yejibao.core.models import AuditEntry
from yejibao.core.scope import Actor

from .models import Staff
from .sessions import LOCKED

ACTION = "auth.session_locked"
TOLD_FOR = timedelta(hours=24)


def note_miss(request: HttpRequest, *, actor: Actor) -> None:
    """Count an answer 404; end the session beyond the share of the class `misses`."""
    if not settings.MISSES_LOCK:
        return
    try:
        limits.hit("misses", str(actor.staff_id))
    except TooMany:
        _lock(request, actor)


@transaction.atomic
def _lock(request: HttpRequest, actor: Actor) -> None:
    audit.record(actor, ACTION, Staff._meta.label, resource_id=str(actor.staff_id))
    metrics.count_refused("locked", "misses")
    request.session.flush()
    request.session[LOCKED] = "auth.locked"


@health.sign("walking")
def locked_sessions(now: datetime) -> health.Facts:
    """How many sessions were ended for it within a day; each is for an administrator to look at."""
    since = now - TOLD_FOR
    found = AuditEntry.objects.filter(action=ACTION, at__gt=since).order_by("at").values_list("at", flat=True)[:100]
    return {"state": "slow" if found else "ok", "count": len(found), "since": found[0] if found else None}
