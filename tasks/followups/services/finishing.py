"""Closing tasks with proof, as one set: used by one tap, by a receipt for many, and by the replay alike."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from tasks.cadences.changes import complete_walked
from yejibao.core import clock
from yejibao.core.sql import prepared

_FINISH = """
WITH target AS (
    SELECT t.id, t.state = 'open' AND t.held_at IS NULL AS is_open, t.member_id, t.assignee_id, t.nature, t.enrollment_id,
        coalesce(%(by)s::bigint, t.assignee_id) AS actor_id, %(level)s::smallint > coalesce(t.evidence_level, -1) AS is_higher
    FROM tasks_task t WHERE t.id = ANY(%(ids)s) FOR UPDATE
), closed AS (
    UPDATE tasks_task t SET
        state = CASE WHEN x.is_open THEN 'done' ELSE t.state END,
        done_at = CASE WHEN x.is_open THEN %(now)s ELSE t.done_at END,
        done_by_id = CASE WHEN x.is_open THEN x.actor_id ELSE t.done_by_id END,
        undo_until = CASE WHEN x.is_open THEN %(undo_until)s::timestamptz ELSE t.undo_until END,
        tell_at = CASE WHEN x.is_open THEN NULL ELSE t.tell_at END,
        evidence_kind = CASE WHEN x.is_higher THEN %(kind)s::text ELSE t.evidence_kind END,
        evidence_level = CASE WHEN x.is_higher THEN %(level)s::smallint ELSE t.evidence_level END,
        evidence_at = CASE WHEN x.is_higher THEN %(now)s ELSE t.evidence_at END
    FROM target x WHERE t.id = x.id
), proof AS (
    INSERT INTO tasks_taskevidence (task_id, kind, level, payload, is_auto, at, by_id, on_behalf_of_id)
    SELECT id, %(kind)s::text, %(level)s::smallint, %(payload)s::jsonb, %(is_auto)s::bool, %(now)s, actor_id,
        CASE WHEN actor_id <> assignee_id THEN assignee_id END
    FROM target
), reached AS (   -- the first of a member's tasks is the contact; those ticked 顺带 share it
    INSERT INTO tasks_reach (member_id, guide_id, task_id, channel, state, nature, level, at, day)
    SELECT DISTINCT ON (member_id) member_id, actor_id, id, %(channel)s::text, 'sent', nature, %(level)s::smallint, %(now)s, %(day)s
    FROM target WHERE %(reached)s::bool ORDER BY member_id, id
    ON CONFLICT (task_id) DO NOTHING
), contact AS (
    UPDATE crm_member m SET last_contact_on = %(day)s FROM target x WHERE m.id = x.member_id AND %(reached)s::bool
)
SELECT id, enrollment_id, is_open FROM target
"""


@transaction.atomic
def finish(
    task_ids: Sequence[int], *, kind: str, level: int, now: datetime, by: int | None = None, is_auto: bool = False,
    payload: dict[str, Any] | None = None, reached: bool = True, channel: str = "wecom_message",
    undo_for: timedelta | None = None,
) -> list[int]:  # fmt: skip
    """Write evidence, reach and the end of open tasks with one statement. Returns those that were open.

    `by` None means each task's assignee. A task that is not open any more keeps its state; what is proven is kept.
    """
    if not task_ids:
        return []
    rows = prepared(
        _FINISH,
        {
            "ids": list(task_ids),
            "kind": kind,
            "level": level,
            "now": now,
            "by": by,
            "is_auto": is_auto,
            "payload": json.dumps(payload or {}, ensure_ascii=False),
            "reached": reached,
            "channel": channel,
            "day": clock.local_day(now),
            "undo_until": now + undo_for if undo_for else None,
        },  # fmt: skip
    )
    complete_walked([enrollment for _, enrollment, _ in rows if enrollment], now=now)
    return [pk for pk, _, was_open in rows if was_open]
