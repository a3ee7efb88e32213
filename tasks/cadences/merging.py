"""Two members are one: their cycles stand side by side afterwards, so at most one may run."""

from datetime import datetime

from django.db import connection

from crm.members.services import add_holding, after_merge, before_merge

from .changes import cancel_cycles, complete_walked, lock_cycles
from .models import Enrollment

# A cycle of a date on which the kept one has his own stays with the card that is gone.
COLLIDES = (
    "t.status <> 'cancelled' AND EXISTS (SELECT 1 FROM tasks_enrollment k WHERE k.member_id = %(kept)s "
    "AND k.cadence_id = t.cadence_id AND k.anchor_on = t.anchor_on AND k.status <> 'cancelled')"
)


def join_cycles(kept_id: int, gone_id: int, now: datetime) -> None:
    """End what cannot run beside another: of one date the gone one's cycle, of two running ones the older.

    As if both purchases had always been his (followup_3369.yaml: superseding).
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
                SELECT e.id, e.plan, h.next_step,
                    first_value(e.id) OVER (PARTITION BY e.cadence_id ORDER BY e.anchor_at DESC, e.id DESC) AS newest
                FROM tasks_enrollment e LEFT JOIN tasks_hand h ON h.enrollment_id = e.id
                WHERE e.member_id IN (%(kept)s, %(gone)s) AND e.status = 'active' AND e.kind = 'full'
            ), closed AS (
                UPDATE tasks_enrollment e SET status = 'superseded', superseded_by_id = r.newest, closed_reason = 'repurchased',
                    closed_at = %(now)s, steps_superseded = CASE WHEN r.next_step IS NULL THEN 0
                        ELSE cardinality(r.plan) - array_position(r.plan, r.next_step) + 1 END
                FROM running r WHERE e.id = r.id AND r.id <> r.newest
            ), hands AS (
                DELETE FROM tasks_hand h USING running r WHERE h.enrollment_id = r.id AND r.id <> r.newest
            )
            UPDATE tasks_task t SET state = 'superseded', closed_reason = 'repurchased', closed_at = %(now)s, tell_at = NULL,
                superseded_by_id = r.newest, held_at = NULL, held_reason = NULL
            FROM running r WHERE t.enrollment_id = r.id AND r.id <> r.newest AND t.state = 'open'
            """,
            {"kept": kept_id, "gone": gone_id, "now": now},
        )


def part_cycles(kept_id: int, gone_id: int, now: datetime) -> None:
    """Where a merge was taken back: let the cycles it ended go on, each for its own member again.

    Not where the member bought since, or has another running: then it would have been superseded anyway. The next step is
    judged anew at the next tick; what is past its end by then is skipped there, tasks past their end are expired.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH undone AS (
                SELECT at FROM crm_membermerge WHERE kept_id = %(kept)s AND gone_id = %(gone)s AND undone_at = %(now)s
                ORDER BY id DESC LIMIT 1
            ), again AS (
                SELECT e.id, u.at, e.plan, greatest(e.steps_superseded, e.steps_cancelled) AS left_over
                FROM undone u JOIN tasks_enrollment e ON e.closed_at = u.at AND e.member_id IN (%(kept)s, %(gone)s)
                WHERE (e.status = 'superseded' AND e.closed_reason = 'repurchased' AND EXISTS (
                        SELECT 1 FROM tasks_enrollment s WHERE s.id = e.superseded_by_id AND s.member_id <> e.member_id)
                    OR e.status = 'cancelled' AND e.closed_reason = 'merged')
                  AND NOT EXISTS (
                    SELECT 1 FROM tasks_enrollment o WHERE o.member_id = e.member_id AND o.cadence_id = e.cadence_id
                      AND o.id <> e.id AND e.kind = 'full' AND o.kind = 'full' AND o.status <> 'cancelled'
                      AND (o.status = 'active' OR o.anchor_at > e.anchor_at))
            ), runs AS (
                UPDATE tasks_enrollment e SET status = 'active', superseded_by_id = NULL, closed_reason = '', closed_at = NULL,
                    steps_superseded = 0, steps_cancelled = 0
                FROM again a WHERE e.id = a.id
            ), hands AS (
                INSERT INTO tasks_hand (enrollment_id, next_step, next_due_at, parked_tries, parked_why)
                SELECT a.id, a.plan[cardinality(a.plan) - a.left_over + 1], %(now)s, 0, '' FROM again a WHERE a.left_over > 0
            )
            UPDATE tasks_task t SET state = CASE WHEN t.expire_at < %(now)s THEN 'expired' ELSE 'open' END, closed_reason = '',
                closed_at = CASE WHEN t.expire_at < %(now)s THEN %(now)s::timestamptz END, superseded_by_id = NULL,
                tell_at = CASE WHEN t.expire_at >= %(now)s THEN %(now)s::timestamptz END
            FROM again a WHERE t.enrollment_id = a.id AND t.state IN ('superseded', 'cancelled') AND t.closed_at = a.at
            """,
            {"kept": kept_id, "gone": gone_id, "now": now},
        )
        cursor.execute(
            "SELECT id FROM tasks_enrollment WHERE member_id IN (%s, %s) AND status = 'active'", [kept_id, gone_id]
        )
        complete_walked([row[0] for row in cursor.fetchall()], now=now)


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
    after_merge(part_cycles)
