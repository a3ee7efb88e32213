"""How long the outbox keeps what is over: bodies a month, messages half a year and a bit, events a month.

A body names members (by name at most) and is of no use once the platform has forgotten its duplicates. The row itself says
when which guide was told what, which is asked for as long as logs have to be kept (six months). What failed or waits for a
person stays until somebody has closed it.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from .. import clock
from ..sql import id_ranges
from .models import OutboxMessage

BODY_KEPT = timedelta(days=30)
MESSAGE_KEPT = timedelta(days=190)
EVENT_KEPT = timedelta(days=30)
NIGHTS = timedelta(days=7)  # this may have been cut off, or not have run
AT_ONCE, DELETED_AT_ONCE = 10_000, 2_000
MESSAGES, EVENTS = "core_outboxmessage", "core_outboxevent"
OVER = ("sent", "cancelled", "expired", "closed")


def tidy_up(*, now: datetime, seconds: float = 600.0) -> dict[str, int]:
    """Clear bodies and delete rows that are past their time, a range of ids a statement, until done or time is up.

    What is left over goes the next night.
    """
    deadline = clock.monotonic() + seconds
    counts = {"bodies": 0, "messages": 0, "events": 0}
    month = now - BODY_KEPT
    for first, last in id_ranges(MESSAGES, "created_at", since=month - NIGHTS, until=month, step=AT_ONCE):
        counts["bodies"] += _run(
            f"UPDATE {MESSAGES} SET body_bytes = NULL WHERE id BETWEEN %s AND %s AND created_at < %s"
            " AND body_bytes IS NOT NULL AND state = ANY (%s)",
            [first, last, month, list(OVER)],
        )
        if clock.monotonic() > deadline:
            return counts
    old = OutboxMessage.objects.filter(created_at__lt=now - MESSAGE_KEPT, state__in=OVER)
    for first, last in id_ranges(MESSAGES, "created_at", since=None, until=now - MESSAGE_KEPT, step=DELETED_AT_ONCE):
        # By the ORM: it knows what the floors above hang on a message.
        counts["messages"] += old.filter(pk__range=(first, last)).delete()[1].get(OutboxMessage._meta.label, 0)
        if clock.monotonic() > deadline:
            return counts
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT min(id), max(id) FROM {EVENTS} WHERE done_at < %s", [now - EVENT_KEPT])
        first, last = cursor.fetchone()
    while first is not None and first <= last and clock.monotonic() <= deadline:
        counts["events"] += _run(
            f"DELETE FROM {EVENTS} WHERE id BETWEEN %s AND %s AND done_at < %s",
            [first, first + AT_ONCE - 1, now - EVENT_KEPT],
        )
        first += AT_ONCE
    return counts


def _run(sql: str, params: list[Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.rowcount
