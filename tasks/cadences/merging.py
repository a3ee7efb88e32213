"""Two members are one: their cycles stand side by side afterwards, so at most one may run."""

from datetime import datetime

from django.db import connection

from crm.members.services import add_holding, before_merge

from .changes import cancel_cycles, lock_cycles
from .models import Enrollment

# A cycle of a date on which the kept one has his own stays with the card that is gone.
COLLIDES = (
    "t.status <> 'cancelled' AND EXISTS (SELECT 1 FROM tasks_enrollment k WHERE k.member_id = %(kept)s "
    "AND k.cadence_id = t.cadence_id AND k.anchor_on = t.anchor_on AND k.status <> 'cancelled')"
)


def join_cycles(kept_id: int, gone_id: int, now: datetime) -> None:
    """End what cannot run beside another: of one date the gone one's cycle, of two running ones the older.

    As if both purchases had always been his (followup_3369.yaml: superseding). Ended cycles stay ended if the merge is undone.
    """
    cycles = Enrollment.objects.filter(member_id__in=[kept_id, gone_id], status=Enrollment.Status.ACTIVE)
    lock_cycles(cycles.values_list("pk", flat=True))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT t.id FROM tasks_enrollment t WHERE t.member_id = %(gone)s AND t.status = 'active' AND {COLLIDES}",
            {"gone": gone_id, "kept": kept_id},
        )
        cancel_cycles([row[0] for row in cursor.fetchall()], reason="merged", now=now)
        cursor.execute(
            """
            WITH running AS (
                SELECT e.id, e.plan, e.next_step,
                    first_value(e.id) OVER (PARTITION BY e.cadence_id ORDER BY e.anchor_at DESC, e.id DESC) AS newest
                FROM tasks_enrollment e
                WHERE e.member_id IN (%(kept)s, %(gone)s) AND e.status = 'active' AND e.kind = 'full'
            ), closed AS (
                UPDATE tasks_enrollment e SET status = 'superseded', superseded_by_id = r.newest, closed_reason = 'repurchased',
                    closed_at = %(now)s, next_step = NULL, next_due_at = NULL,
                    steps_superseded = CASE WHEN r.next_step IS NULL THEN 0
                        ELSE cardinality(r.plan) - array_position(r.plan, r.next_step) + 1 END
                FROM running r WHERE e.id = r.id AND r.id <> r.newest
            )
            UPDATE tasks_task t SET state = 'superseded', closed_reason = 'repurchased', closed_at = %(now)s, tell_at = NULL,
                superseded_by_id = r.newest, held_at = NULL, held_reason = NULL
            FROM running r WHERE t.enrollment_id = r.id AND r.id <> r.newest AND t.state = 'open'
            """,
            {"kept": kept_id, "gone": gone_id, "now": now},
        )


_UNSENT_TOO = (
    "t.used_at IS NULL AND EXISTS (SELECT 1 FROM tasks_pendingsend k WHERE k.member_id = %(kept)s "
    "AND k.guide_id = t.guide_id AND k.used_at IS NULL)"
)


def register() -> None:
    """Say which tables of this department hold rows of a member."""
    add_holding("tasks_enrollment", stays=COLLIDES)
    add_holding("tasks_pendingsend", stays=_UNSENT_TOO)
    for table in ("tasks_task", "tasks_reach", "tasks_scriptuse"):
        add_holding(table)
    before_merge(join_cycles)
