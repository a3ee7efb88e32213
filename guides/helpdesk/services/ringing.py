"""What happens by itself: the next are rung when the time is over, and what nobody rated is closed."""

from datetime import datetime

from django.db import connection, transaction

from ..models import HqCall, HqCallMessage
from ..rules import rules
from . import telling

AT_ONCE = 100
Ring = HqCall.Ring
SAID = {
    Ring.ALL: "还没人接，已通知全部门",
    Ring.HEAD: "超过首次答复时限，已通知部门负责人",
    Ring.LATE: "超过解决时限，已再次通知负责人",
}


def ring_due(*, now: datetime) -> dict[str, int]:
    """Ring the next of every question whose time is over: the whole role, the head, the head once more. Each minute."""
    rung = 0
    while batch := _ring_batch(now):
        rung += batch
        if batch < AT_ONCE:
            break
    return {"rung": rung}


@transaction.atomic
def _ring_batch(now: datetime) -> int:
    rows = HqCall.objects.filter(ring_at__lte=now).select_related("category", "asker", "store", "assignee")
    due = list(rows.order_by("ring_at").select_for_update(of=("self",), skip_locked=True)[:AT_ONCE])
    for call in due:
        level = _next_level(call, now)
        if level > call.ring:
            telling.ring(call, level, now=now)
            telling.write_line(call, HqCallMessage.Event.RUNG, SAID[Ring(level)], by_id=None, now=now)
        next_at = {Ring.ALL: call.due_at, Ring.HEAD: call.solve_due_at}.get(Ring(level))
        HqCall.objects.filter(pk=call.pk).update(ring=level, ring_at=next_at)
    return len(due)


def _next_level(call: HqCall, now: datetime) -> int:
    """Return the level it has come to; whoever took it spares the department, and a late beat skips a level."""
    if now >= call.solve_due_at:
        return Ring.LATE
    if now >= call.due_at and call.ring < Ring.HEAD:
        return Ring.HEAD
    return min(call.ring + 1, Ring.LATE)


def close_forgotten(*, now: datetime) -> dict[str, int]:
    """Close what was answered three days ago and never rated. Ten-minutely."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            WITH old AS (
                SELECT id FROM guides_hqcall WHERE state = 'answered' AND answered_at < %(until)s
                ORDER BY answered_at LIMIT 1000 FOR UPDATE SKIP LOCKED
            ), closed AS (
                UPDATE guides_hqcall c SET state = 'closed', closed_at = %(now)s, touched_at = %(now)s, ring_at = NULL
                FROM old WHERE c.id = old.id RETURNING c.id
            )
            INSERT INTO guides_hqcallmessage (call_id, by_id, event, text, at)
            SELECT id, NULL, 'closed', '三天没有新的消息，自动结束', %(now)s FROM closed
            """,
            {"now": now, "until": now - rules().close_after},
        )
        return {"closed": cursor.rowcount}
