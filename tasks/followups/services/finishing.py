"""Closing tasks with proof, as one set: used by one tap, by a receipt for many, and by the replay alike. And the way back."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max

from crm.members.models import Member
from tasks.cadences.changes import complete_walked
from tasks.cadences.models import Enrollment
from yejibao.core import clock
from yejibao.core.scope import Actor
from yejibao.core.sql import prepared

from ..models import Reach, Task, TaskEvidence
from ..reminders import plan_next

TRUSTED = 2  # from this evidence level on the member was surely reached
NO_PROOF = ("undone", "rejected", "call_tried")  # traces that say nothing was done

_FINISH = """
WITH target AS (
    SELECT t.id, t.state = 'open' AND t.held_at IS NULL AS is_open, t.member_id, t.assignee_id, t.nature, t.enrollment_id,
        coalesce(%(by)s::bigint, t.assignee_id) AS actor_id, %(level)s::smallint > coalesce(t.evidence_level, -1) AS is_higher
    FROM tasks_task t WHERE t.id = ANY(%(ids)s) ORDER BY t.id FOR NO KEY UPDATE
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
    FROM target WHERE %(reached)s::bool ORDER BY member_id, array_position(%(ids)s::bigint[], id)
    ON CONFLICT (task_id) DO NOTHING
), seen AS (   -- what told her of it needs no reading any more
    UPDATE guides_notification n SET read_at = %(now)s FROM target x
    WHERE x.is_open AND n.staff_id = x.assignee_id AND n.key = 'task:' || x.id AND n.read_at IS NULL
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

    `by` None means each task's assignee. Of several tasks of one member the first is the contact. A task that is not open any more keeps its state; what is proven is kept.
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


def add_evidence(
    task: Task, *, kind: str, level: int, now: datetime, actor: Actor | None = None, payload: dict[str, Any] | None = None,
    is_auto: bool = False,
) -> TaskEvidence:  # fmt: skip
    """Add proof to a task; the task keeps the highest level with its kind and time."""
    by = actor.staff_id if actor else None
    row = TaskEvidence.objects.create(
        task=task, kind=kind, level=level, payload=payload or {}, is_auto=is_auto, at=now, by_id=by,
        on_behalf_of_id=task.assignee_id if by and by != task.assignee_id else None,
    )  # fmt: skip
    if level > (task.evidence_level if task.evidence_level is not None else -1):
        task.evidence_kind, task.evidence_level, task.evidence_at = kind, level, now
        task.save(update_fields=["evidence_kind", "evidence_level", "evidence_at"])
    return row


def reopen(task: Task, *, kind: str, by: int | None, now: datetime, payload: dict[str, Any] | None = None) -> str:
    """Take the done of a locked task back and return its new state: open, or expired where its end is past or its cycle
    has ended since.

    A cycle that was complete goes on. What left stays reached; what was only claimed is withdrawn.
    """
    state = Task.State.OPEN if now <= task.expire_at and _goes_on(task.enrollment_id) else Task.State.EXPIRED
    task.move_to(
        state, done_at=None, done_by=None, undo_until=None, outcome="", outcome_at=None,
        closed_at=None if state == Task.State.OPEN else now,
    )  # fmt: skip
    if (task.evidence_level or 0) < TRUSTED:
        _withdraw(task)
    TaskEvidence.objects.create(task=task, kind=kind, level=0, at=now, by_id=by, payload=payload or {})
    plan_next([task.pk], now=now)
    return state


def _goes_on(enrollment_id: int | None) -> bool:
    """Tell whether a locked cycle may have open tasks again; one that was complete runs again from here on.

    Not one that a return or a purchase has ended, nor where a newer one runs or is being started at this moment.
    """
    if enrollment_id is None:
        return True
    cycles = Enrollment.objects.filter(pk=enrollment_id)
    try:
        with transaction.atomic():
            cycles.filter(status=Enrollment.Status.COMPLETED).update(status=Enrollment.Status.ACTIVE, closed_at=None)
    except IntegrityError:  # enrollment_one_active_full: it waited for the purchase that started the next one
        return False
    return cycles.filter(status=Enrollment.Status.ACTIVE).exists()


def _withdraw(task: Task) -> None:
    """Forget the contact a mere claim made; the evidence rows stay, the task keeps the best of what else is known."""
    Reach.objects.filter(task=task, level__lt=TRUSTED).delete()
    last = Reach.objects.filter(member_id=task.member_id).aggregate(day=Max("day"))["day"]
    Member.objects.filter(pk=task.member_id).update(last_contact_on=last)
    known = task.evidence.exclude(kind__in=(*NO_PROOF, "chat_claimed", "call_logged")).order_by("-level", "at").first()
    task.evidence_kind = known.kind if known else ""
    task.evidence_level, task.evidence_at = (known.level, known.at) if known else (None, None)
    task.save(update_fields=["evidence_kind", "evidence_level", "evidence_at"])
