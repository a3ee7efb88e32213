"""Work comes back to who was to be away and is there after all: a leave cancelled, ended early, a rest day taken back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from tasks.cadences import moments

from .people import away, friends
from .reminders import plan_next

# Acts of absence only lie between her having had the task and now; whoever gave it to somebody else meant it.
_WAS_HERS = """EXISTS (
    SELECT 1 FROM tasks_taskmove gave WHERE gave.task_id = t.id AND gave.reason = 'backup' AND gave.old_assignee_id = %(staff)s
      AND NOT EXISTS (SELECT 1 FROM tasks_taskmove later WHERE later.task_id = t.id AND later.id > gave.id
                      AND later.reason NOT IN ('backup', 'leave', 'back')))"""


def bring_back(staff_id: int, days: Sequence[str], *, now: datetime) -> int:
    """Give back what others were to do on these days because she was away, and what was put off until her return.

    Only where she is at work on the day it is due and can reach the member, and the one who covers has not begun. A due
    time that was put off comes back where it still lies ahead. Each a recorded act. Returns how many.
    """
    facts: dict[str, Any] = {"staff": staff_id, "days": list(days), "now": now}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH hit AS (
                SELECT t.id, t.assignee_id AS old, {friends("t.member_id", "person.id")} AS is_friend, m.phone_consent
                FROM guides_staff person
                JOIN tasks_task t ON t.store_id = person.store_id
                JOIN crm_member m ON m.id = t.member_id
                WHERE person.id = %(staff)s AND person.state = 'active' AND t.assignee_id <> person.id
                  AND t.state = 'open' AND t.held_at IS NULL
                  AND t.due_at >= {moments.at("(SELECT min(d)::date FROM unnest(%(days)s::date[]) d)", "time '00:00'")}
                  AND {moments.local_date("t.due_at")} = ANY(%(days)s::date[])
                  AND NOT {away("person.id", moments.local_date("t.due_at"))} AND {_WAS_HERS}
                  AND NOT EXISTS (SELECT 1 FROM tasks_taskevidence e WHERE e.task_id = t.id AND e.by_id = t.assignee_id)
                ORDER BY t.id FOR UPDATE OF t
            ), given AS (
                UPDATE tasks_task t SET assignee_id = %(staff)s, tell_at = %(now)s,
                    channel = CASE WHEN h.is_friend THEN 'wecom_message' ELSE 'manual_call' END
                FROM hit h WHERE t.id = h.id AND (h.is_friend OR h.phone_consent) RETURNING t.id, h.old
            )
            INSERT INTO tasks_taskmove (task_id, reason, note, old_assignee_id, new_assignee_id, at)
            SELECT id, 'back', '', old, %(staff)s, %(now)s FROM given
            """,
            facts,
        )
        given = cursor.rowcount
        cursor.execute(
            f"""
            WITH hit AS (
                SELECT t.id, t.due_at AS put_off_to, last.old_due_at AS due_at
                FROM tasks_task t CROSS JOIN LATERAL (
                    SELECT mv.reason, mv.old_due_at, mv.new_due_at FROM tasks_taskmove mv WHERE mv.task_id = t.id
                    ORDER BY mv.id DESC LIMIT 1) last
                WHERE t.assignee_id = %(staff)s AND t.state = 'open' AND t.held_at IS NULL
                  AND last.reason = 'leave' AND last.new_due_at = t.due_at AND last.old_due_at > %(now)s
                  AND {moments.local_date("last.old_due_at")} = ANY(%(days)s::date[])
                  AND NOT {away("t.assignee_id", moments.local_date("last.old_due_at"))}
                ORDER BY t.id FOR UPDATE OF t
            ), moved AS (
                UPDATE tasks_task t SET due_at = h.due_at FROM hit h WHERE t.id = h.id RETURNING t.id, h.put_off_to, t.due_at
            )
            INSERT INTO tasks_taskmove (task_id, reason, note, old_due_at, new_due_at, at)
            SELECT id, 'back', '', put_off_to, due_at, %(now)s FROM moved RETURNING task_id
            """,
            facts,
        )
        again = [row[0] for row in cursor.fetchall()]
        plan_next(again, now=now)
    return given + len(again)
