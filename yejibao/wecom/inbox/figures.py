"""How the callback inbox stands: for the operators' command."""

from datetime import datetime
from typing import Any

from django.db.models import Count, Min, Q

from .models import InboxEntry

State = InboxEntry.State


def inbox_figures(now: datetime) -> dict[str, Any]:
    """Return callbacks by state, how many are due at `now`, and for how many seconds the oldest of these has waited."""
    counted = dict.fromkeys(State.values, 0)
    counted |= dict(InboxEntry.objects.values_list("state").annotate(Count("pk")).order_by())
    due = InboxEntry.objects.filter(state=State.WAITING).aggregate(
        count=Count("pk", filter=Q(next_at__lte=now)), oldest=Min("received_at", filter=Q(next_at__lte=now))
    )
    oldest = due["oldest"]
    return {
        "states": counted,
        "waiting": counted[State.WAITING],
        "parked": counted[State.PARKED],
        "unhandled": counted[State.UNHANDLED],
        "due": due["count"],
        "oldest_waiting_seconds": round((now - oldest).total_seconds(), 1) if oldest else 0.0,
    }
