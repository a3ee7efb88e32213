"""When the assignee of a task is told again: the reminders of its step, as SQL in one place."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from tasks.cadences import moments

# The next reminder of task `t` after %(now)s; NULL when there is none before it expires. A step's days count from its due
# day, so that a moved due time moves the reminders with it.
NEXT = f"""
    (SELECT min(r.at) FROM tasks_cadencestep step, jsonb_array_elements(step.reminders) item
     CROSS JOIN LATERAL (SELECT CASE
        WHEN item ? 'from' THEN t.due_at + (item->>'minutes')::int * interval '1 minute'
        WHEN item->>'day' = 'due' THEN {moments.at(moments.local_date("t.due_at"), "(item->>'time')::time")}
        ELSE {moments.at(f"{moments.local_date('t.due_at')} + ((item->>'day')::int - step.due_day)", "(item->>'time')::time")}
        END AS at) r
     WHERE step.version_id = t.cadence_version_id AND step.key = t.node AND r.at > %(now)s AND r.at < t.expire_at)
"""


def plan_next(task_ids: Sequence[int], *, now: datetime) -> None:
    """Set when the assignees of these tasks are told next; of those that have ended meanwhile nobody is."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE tasks_task t SET tell_at = {NEXT} WHERE t.id = ANY(%(ids)s) AND t.state = 'open'",
            {"ids": list(task_ids), "now": now},
        )
