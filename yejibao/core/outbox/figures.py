"""How the two tables stand: for the operators' commands."""

from datetime import datetime
from typing import Any

from django.db.models import Count, Min, Q

from .models import OutboxEvent, OutboxMessage

State = OutboxMessage.State


def message_figures(now: datetime) -> dict[str, Any]:
    """Return messages by state, how many are due at `now`, and for how many seconds the oldest of these has been."""
    counted = dict.fromkeys(State.values, 0)
    counted |= dict(OutboxMessage.objects.values_list("state").annotate(Count("pk")).order_by())
    waiting = OutboxMessage.objects.filter(state__in=[State.PENDING, State.UNKNOWN], next_at__lte=now)
    due = waiting.aggregate(count=Count("pk"), oldest=Min("next_at"))
    return {
        "states": counted,
        "total": sum(counted.values()),
        "due": due["count"],
        "oldest_due_at": due["oldest"].isoformat() if due["oldest"] else None,
        "oldest_due_seconds": round((now - due["oldest"]).total_seconds(), 1) if due["oldest"] else 0.0,
        **{name: counted[name] for name in ("sent", "unknown", "failed", "parked")},
    }


def event_figures(now: datetime) -> dict[str, Any]:
    """Return events that wait and were set aside, and for how many seconds the oldest has waited."""
    open_rows = OutboxEvent.objects.filter(done_at=None)
    facts = open_rows.aggregate(
        waiting=Count("pk", filter=Q(parked_at=None)),
        parked=Count("pk", filter=Q(parked_at__isnull=False)),
        oldest=Min("created_at", filter=Q(parked_at=None)),
    )
    oldest = facts.pop("oldest")
    return facts | {"oldest_waiting_seconds": round((now - oldest).total_seconds(), 1) if oldest else 0.0}
