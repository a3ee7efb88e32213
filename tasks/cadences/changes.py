"""What happens to a cycle after its order: returns, exchanges, receipts, alterations, tickets, and members who leave.

All set-based over the ids of a batch of events, and safe to run twice: each reads the present state of the order.

A cycle is locked before its tasks, everywhere: `lock_cycles` here and in the guide's acts, the claim of the opener. And in a
statement of its own: the statement after it sees the task the opener wrote while we waited, the waiting one would not.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import connection, transaction

from tasks.followups.reminders import plan_next
from yejibao.core import clock

from . import items, moments
from .models import Enrollment, EnrollmentCause


def lock_cycles(enrollment_ids: Iterable[int]) -> list[int]:
    """Lock cycles until the end of the transaction, in order of their ids; return those that exist."""
    cycles = Enrollment.objects.filter(pk__in=set(enrollment_ids)).order_by("pk").select_for_update(no_key=True)
    return list(cycles.values_list("pk", flat=True))


def lock_cycles_of(order_ids: Sequence[int]) -> list[int]:
    """Lock the cycles these orders belong to and return their ids."""
    causes = EnrollmentCause.objects.filter(order_id__in=order_ids)
    return lock_cycles(pk for pk in causes.values_list("enrollment_id", flat=True) if pk)


@transaction.atomic
def follow_returns(order_ids: Sequence[int], *, now: datetime) -> list[int]:
    """Act on returned orders. A cycle of which nothing is left is cancelled, else its items shrink.

    Full return of one of two joined orders counts as a partial return, also of the anchor. Returns the enrollments that
    were cancelled (their members get a care task).
    """
    cycles = lock_cycles_of(order_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT c.enrollment_id, bool_or(o.status = 'paid' AND o.net_amount_fen > 0) AS something_left
            FROM tasks_enrollmentcause c JOIN crm_order o ON o.id = c.order_id
            WHERE c.enrollment_id = ANY(%s) GROUP BY c.enrollment_id
            """,
            [cycles],
        )
        found = cursor.fetchall()
    emptied = [pk for pk, left in found if not left]
    items.refresh_items([pk for pk, left in found if left])
    return cancel_cycles(emptied, reason="returned_full", now=now)


def cancel_cycles(enrollment_ids: Sequence[int], *, reason: str, now: datetime) -> list[int]:
    """Cancel active cycles, locked by the caller, with their open tasks and unopened steps.

    A superseded cycle stays superseded. Returns those that were cancelled.
    """
    if not enrollment_ids:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH stood AS (
                SELECT e.id, h.next_step FROM tasks_enrollment e LEFT JOIN tasks_hand h ON h.enrollment_id = e.id
                WHERE e.id = ANY(%(ids)s)
            ), gone AS (
                UPDATE tasks_enrollment e SET status = 'cancelled', closed_reason = %(reason)s, closed_at = %(now)s,
                    steps_cancelled = CASE WHEN s.next_step IS NULL THEN 0
                        ELSE cardinality(e.plan) - array_position(e.plan, s.next_step) + 1 END
                FROM stood s WHERE e.id = s.id AND e.status IN ('active', 'completed') RETURNING e.id
            ), hands AS (
                DELETE FROM tasks_hand h USING gone WHERE h.enrollment_id = gone.id
            ), tasks AS (
                UPDATE tasks_task t SET state = 'cancelled', closed_reason = %(reason)s, closed_at = %(now)s, tell_at = NULL,
                    held_at = NULL, held_reason = NULL
                FROM gone WHERE t.enrollment_id = gone.id AND t.state = 'open'
            )
            SELECT id FROM gone
            """,
            {"ids": list(enrollment_ids), "reason": reason, "now": now},
        )
        return [row[0] for row in cursor.fetchall()]


def cancel_members(member_ids: Sequence[int], *, now: datetime) -> None:
    """Cancel everything of members who are gone (closed account)."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM tasks_enrollment WHERE member_id = ANY(%s) AND status = 'active' "
            "ORDER BY id FOR NO KEY UPDATE",
            [list(member_ids)],
        )
        cancel_cycles([row[0] for row in cursor.fetchall()], reason="member_deleted", now=now)
        cursor.execute(
            "UPDATE tasks_task SET state = 'cancelled', closed_reason = 'member_deleted', closed_at = %s, tell_at = NULL, "
            "held_at = NULL, held_reason = NULL WHERE member_id = ANY(%s) AND state = 'open'",
            [now, list(member_ids)],
        )


@transaction.atomic
def follow_receipts(order_ids: Sequence[int], *, now: datetime) -> None:
    """Move the day anchor of delivered orders to the day they were signed for, unless d3 has opened already."""
    lock_cycles_of(order_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH received AS (
                SELECT e.id, {moments.local_date("o.received_at")} AS day, e.step_days, h.next_step AS key, step.open_day,
                    hours.opens_at
                FROM tasks_enrollment e JOIN tasks_hand h ON h.enrollment_id = e.id
                JOIN crm_order o ON o.id = e.anchor_order_id
                JOIN crm_member m ON m.id = e.member_id LEFT JOIN guides_staff owner ON owner.id = m.owner_guide_id
                JOIN guides_store hours ON hours.id = coalesce(owner.store_id, e.store_id)
                JOIN tasks_cadenceversion v ON v.cadence_id = e.cadence_id AND v.state = 'published'
                LEFT JOIN tasks_cadencestep step ON step.version_id = v.id AND step.key = h.next_step
                WHERE o.id = ANY(%(ids)s) AND o.is_delivery AND o.received_at IS NOT NULL AND e.status = 'active'
                  AND NOT EXISTS (   -- a step that counts days from the anchor lies behind the hand
                    SELECT 1 FROM unnest(e.plan[:array_position(e.plan, h.next_step) - 1]) AS behind(key)
                    JOIN tasks_cadencestep past ON past.version_id = e.cadence_version_id AND past.key = behind.key
                    WHERE past.offset_minutes IS NULL)
            ), anchors AS (
                UPDATE tasks_enrollment e SET day_anchor_date = r.day FROM received r
                WHERE e.id = r.id AND e.day_anchor_date <> r.day
                RETURNING e.id
            )
            UPDATE tasks_hand h SET next_due_at = greatest(
                {moments.at("coalesce((r.step_days->>r.key)::date, r.day + r.open_day)", "r.opens_at")}, %(now)s)
            FROM received r JOIN anchors a ON a.id = r.id
            WHERE h.enrollment_id = r.id AND r.open_day IS NOT NULL
            """,
            {"ids": list(order_ids), "now": now},
        )


@transaction.atomic
def follow_exchanges(order_ids: Sequence[int], exchanged_at: datetime, *, now: datetime) -> None:
    """Replace the items; before d3 is done, d3 moves to the exchange date + 3. The other nodes keep the anchor."""
    ids = lock_cycles_of(order_ids)
    items.refresh_items(ids)
    move_d3({pk: (clock.local_day(exchanged_at).isoformat(), 3) for pk in ids}, reason="exchange", now=now)


def move_d3(days: dict[int, tuple[str, int]], *, reason: str, now: datetime) -> None:
    """Move the third-day question of cycles, locked by the caller, to a base date + n days: the hand, or the open task.

    `days` maps enrollment -> (ISO date, days after it). A d3 that is done, skipped or expired stays as it is.
    """
    if not days:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH wish AS (
                SELECT w.id, w.base::date + w.plus AS day FROM unnest(%(ids)s::bigint[], %(bases)s::text[], %(plus)s::int[])
                    AS w(id, base, plus)
            ), place AS (
                SELECT e.id, w.day, step.open_day, step.due_day, step.expire_day, hours.opens_at, hours.closes_at, h.next_step,
                    array_position(e.plan, h.next_step) <= array_position(e.plan, 'd3') AS is_ahead
                FROM tasks_enrollment e JOIN wish w ON w.id = e.id LEFT JOIN tasks_hand h ON h.enrollment_id = e.id
                JOIN tasks_cadenceversion v ON v.cadence_id = e.cadence_id AND v.state = 'published'
                JOIN tasks_cadencestep step ON step.version_id = v.id AND step.key = 'd3'
                JOIN crm_member m ON m.id = e.member_id LEFT JOIN guides_staff owner ON owner.id = m.owner_guide_id
                JOIN guides_store hours ON hours.id = coalesce(owner.store_id, e.store_id)
                WHERE e.status = 'active'
            ), days AS (
                UPDATE tasks_enrollment e SET step_days = e.step_days || jsonb_build_object('d3', p.day)
                FROM place p WHERE e.id = p.id AND p.is_ahead
            ), hands AS (
                UPDATE tasks_hand h SET next_due_at = {moments.at("p.day", "p.opens_at")}
                FROM place p WHERE h.enrollment_id = p.id AND p.next_step = 'd3'
            ), dates AS (
                SELECT t.id, t.due_at AS old_due, {moments.at("p.day", "p.closes_at")} AS new_due,
                    {moments.at("p.day + (p.expire_day - p.open_day)", "p.closes_at")} AS new_expire
                FROM tasks_task t JOIN place p ON p.id = t.enrollment_id
                WHERE t.node = 'd3' AND t.state = 'open' AND NOT coalesce(p.is_ahead, false)
            ), moved AS (
                UPDATE tasks_task t SET due_at = d.new_due, expire_at = d.new_expire FROM dates d
                WHERE t.id = d.id AND t.due_at <> d.new_due RETURNING t.id, d.old_due, d.new_due
            )
            INSERT INTO tasks_taskmove (task_id, reason, note, old_due_at, new_due_at, at)
            SELECT id, %(reason)s, '', old_due, new_due, %(now)s FROM moved RETURNING task_id
            """,
            {
                "ids": list(days),
                "bases": [base for base, _ in days.values()],
                "plus": [n for _, n in days.values()],
                "reason": reason,
                "now": now,
            },  # fmt: skip
        )
        plan_next([row[0] for row in cursor.fetchall()], now=now)


@transaction.atomic
def follow_alterations(ticket_ids: Sequence[int], *, now: datetime) -> None:
    """Alteration: d3 stands on the day after he collects it, at the latest on day 10."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT e.id, least({moments.local_date("tk.pickup_at")} + 1,
                               e.day_anchor_date + (v.rules->>'latest_alteration_day')::int)::text
            FROM crm_ticket tk
            JOIN tasks_enrollmentcause c ON c.order_id = tk.order_id
            JOIN tasks_enrollment e ON e.id = c.enrollment_id AND e.status = 'active'
            JOIN tasks_cadenceversion v ON v.cadence_id = e.cadence_id AND v.state = 'published'
            JOIN tasks_cadencestep step ON step.version_id = v.id AND step.key = 'd3'
            WHERE tk.id = ANY(%(ids)s) AND tk.kind = 'alteration' AND tk.pickup_at IS NOT NULL AND tk.state <> 'cancelled'
              AND {moments.local_date("tk.pickup_at")} + 1 > e.day_anchor_date + step.open_day
            ORDER BY e.id FOR NO KEY UPDATE OF e
            """,
            {"ids": list(ticket_ids)},
        )
        days = {pk: (day, 0) for pk, day in cursor.fetchall()}
    move_d3(days, reason="alteration", now=now)


_WALKED = """
    e.status = 'active' AND (%(ids)s::bigint[] IS NULL OR e.id = ANY(%(ids)s))
    AND NOT EXISTS (SELECT 1 FROM tasks_hand h WHERE h.enrollment_id = e.id)
    AND NOT EXISTS (SELECT 1 FROM tasks_task t WHERE t.enrollment_id = e.id AND t.state = 'open')
"""


def complete_walked(enrollment_ids: Sequence[int] | None = None, *, now: datetime) -> int:
    """Complete cycles whose hand has passed the last step and that have no open task: these, or all. Returns how many.

    Called by those who hold tasks already, so it waits for nobody: a cycle somebody works on is left to him, and what
    two left to each other to the night.
    """
    with connection.cursor() as cursor:
        ids = list(enrollment_ids) if enrollment_ids is not None else None
        cursor.execute(
            f"SELECT e.id FROM tasks_enrollment e WHERE {_WALKED} FOR NO KEY UPDATE SKIP LOCKED", {"ids": ids}
        )
        walked = [row[0] for row in cursor.fetchall()]
        if not walked:
            return 0
        # Asked again now that nobody else can open or take back one of their tasks.
        cursor.execute(
            f"UPDATE tasks_enrollment e SET status = 'completed', closed_at = %(now)s WHERE {_WALKED}",
            {"ids": walked, "now": now},
        )
        return cursor.rowcount
