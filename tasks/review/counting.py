"""What counts as what, in one place: models.yaml task_completion_rate and its kin as SQL.

The job that keeps the daily rows and the live part of a board run the same statement, so they cannot disagree.
"""

from tasks.cadences.moments import TZ

# Outcomes in which the member answered; within 48 h of being reached they make reply_rate.
ANSWERED = ("replied", "fit_ok", "fit_problem", "visit_booked", "bought")
REPLY_WITHIN = "48 hours"

COLUMNS = (
    "done_count", "on_time_count", "overdue_count", "expired_count", "early_count", "upcoming_count", "held_count",
    "skipped_count", "superseded_count", "cancelled_count", "reached_count", "replied_count", "booked_count",
    "sales_count", "sales_fen",
)  # fmt: skip

SUMS = ", ".join(f"sum({name})::bigint AS {name}" for name in COLUMNS)


def wanted(days: str, stores: str) -> str:
    """Return a query of (day, store_id, starts, ends) for parallel arrays of days and stores."""
    return f"""
        SELECT day, store_id, day::timestamp AT TIME ZONE {TZ} AS starts, (day + 1)::timestamp AT TIME ZONE {TZ} AS ends
        FROM unnest({days}::date[], {stores}::bigint[]) AS w(day, store_id)
    """


def counts() -> str:
    """Return a query of (day, guide_id, store_id, task_type, COLUMNS) over a CTE `wanted`; parameters `now`, `answered`.

    Credited to the assignee that stands on the task. A sale is dated by the moment it was credited. What is done counts at
    once, also before it was due (`early_count` of them): her manager sees it on the board when it is done, not at 22:00.
    """
    return f"""
        SELECT day, guide_id, store_id, task_type, {SUMS} FROM (
            SELECT w.day, t.assignee_id AS guide_id, t.store_id, t.task_type,
                count(*) FILTER (WHERE t.state = 'done') AS done_count,
                count(*) FILTER (WHERE t.state = 'done' AND t.done_at <= t.due_at) AS on_time_count,
                count(*) FILTER (WHERE t.state = 'open' AND t.held_at IS NULL AND t.due_at <= %(now)s) AS overdue_count,
                count(*) FILTER (WHERE t.state = 'expired' AND t.due_at <= %(now)s) AS expired_count,
                count(*) FILTER (WHERE t.state = 'done' AND t.due_at > %(now)s) AS early_count,
                count(*) FILTER (WHERE t.state = 'open' AND t.held_at IS NULL AND t.due_at > %(now)s) AS upcoming_count,
                count(*) FILTER (WHERE t.state = 'open' AND t.held_at IS NOT NULL) AS held_count,
                count(*) FILTER (WHERE t.state = 'skipped') AS skipped_count,
                count(*) FILTER (WHERE t.state = 'superseded') AS superseded_count,
                count(*) FILTER (WHERE t.state = 'cancelled') AS cancelled_count,
                count(*) FILTER (WHERE t.state = 'done' AND t.evidence_level >= 2) AS reached_count,
                count(*) FILTER (WHERE t.state = 'done' AND t.evidence_level >= 2 AND t.outcome = ANY(%(answered)s)
                                 AND t.outcome_at <= t.done_at + interval '{REPLY_WITHIN}') AS replied_count,
                count(*) FILTER (WHERE t.outcome = 'visit_booked' OR t.evidence_level >= 4 AND EXISTS (
                    SELECT 1 FROM tasks_taskevidence e WHERE e.task_id = t.id AND e.kind = 'visit_booked')) AS booked_count,
                0 AS sales_count, 0 AS sales_fen
            FROM wanted w JOIN tasks_task t ON t.store_id = w.store_id AND t.due_at >= w.starts AND t.due_at < w.ends
            GROUP BY 1, 2, 3, 4
            UNION ALL
            SELECT w.day, t.assignee_id, t.store_id, t.task_type, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                count(*), sum(coalesce(o.net_amount_fen, (e.payload->>'fen')::bigint, 0))
            FROM (SELECT DISTINCT day, starts, ends FROM wanted) d
            JOIN tasks_taskevidence e ON e.kind = 'order_linked' AND e.at >= d.starts AND e.at < d.ends
            JOIN tasks_task t ON t.id = e.task_id
            JOIN wanted w ON w.day = d.day AND w.store_id = t.store_id
            LEFT JOIN crm_order o ON o.id = (e.payload->>'order')::bigint
            WHERE o.id IS NULL OR o.status = 'paid'
            GROUP BY 1, 2, 3, 4
        ) parts GROUP BY 1, 2, 3, 4
    """
