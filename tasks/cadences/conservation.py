"""The proof that nothing was lost: every order has a cause, every planned step an end, every opened task a state."""

from dataclasses import dataclass, field
from typing import Any

from django.db import connection

_PROOF = """
WITH orders AS (
    SELECT count(*) AS purchases,
        count(*) FILTER (WHERE c.role = 'anchor') AS anchor, count(*) FILTER (WHERE c.role = 'joined') AS joined,
        count(*) FILTER (WHERE c.role = 'small') AS small, count(*) FILTER (WHERE c.role = 'not_eligible') AS not_eligible,
        count(*) FILTER (WHERE c.id IS NULL AND NOT EXISTS (
            SELECT 1 FROM core_outboxevent ev WHERE ev.done_at IS NULL AND ev.topic = 'crm.order_paid'
              AND (ev.payload->>'order_id')::bigint = o.id)) AS orders_missing
    FROM crm_order o
    LEFT JOIN tasks_enrollmentcause c ON c.order_id = o.id AND c.cadence_id = %(cadence)s
    WHERE o.known_at IS NOT NULL
), opened AS (
    SELECT t.enrollment_id, count(*) AS opened FROM tasks_task t
    JOIN tasks_enrollment e ON e.id = t.enrollment_id WHERE e.cadence_id = %(cadence)s GROUP BY t.enrollment_id
), steps AS (
    SELECT count(*) AS enrollments, count(*) FILTER (WHERE e.kind = 'full') AS cycles,
        count(*) FILTER (WHERE e.kind = 'small') AS small_cycles,
        count(*) FILTER (WHERE e.status = 'superseded') AS cycles_superseded,
        count(*) FILTER (WHERE e.status = 'completed') AS cycles_completed,
        count(*) FILTER (WHERE e.status = 'cancelled') AS cycles_cancelled,
        count(*) FILTER (WHERE e.status = 'active') AS cycles_active,
        coalesce(sum(e.steps_planned), 0) AS steps_planned,
        coalesce(sum(o.opened), 0) AS steps_opened,
        coalesce(sum(e.steps_skipped), 0) AS steps_skipped,
        coalesce(sum(e.steps_superseded), 0) AS steps_superseded,
        coalesce(sum(e.steps_cancelled), 0) AS steps_cancelled,
        coalesce(sum(h.waiting), 0) AS steps_waiting,
        coalesce(sum(abs(e.steps_planned - coalesce(o.opened, 0) - e.steps_skipped - e.steps_superseded - e.steps_cancelled
            - coalesce(h.waiting, 0))), 0) AS steps_missing,
        count(*) FILTER (WHERE e.status <> 'active' AND h.waiting > 0) AS hands_of_the_dead
    FROM tasks_enrollment e
    LEFT JOIN opened o ON o.enrollment_id = e.id
    LEFT JOIN (
        SELECT w.id, cardinality(w.plan) - array_position(w.plan, hand.next_step) + 1 AS waiting
        FROM tasks_hand hand JOIN tasks_enrollment w ON w.id = hand.enrollment_id
    ) h ON h.id = e.id
    WHERE e.cadence_id = %(cadence)s
), tasks AS (
    SELECT count(*) AS opened, count(*) FILTER (WHERE t.state = 'open') AS open,
        count(*) FILTER (WHERE t.state = 'done') AS done, count(*) FILTER (WHERE t.state = 'expired') AS expired,
        count(*) FILTER (WHERE t.state = 'skipped') AS skipped, count(*) FILTER (WHERE t.state = 'superseded') AS superseded,
        count(*) FILTER (WHERE t.state = 'cancelled') AS cancelled,
        count(*) FILTER (WHERE t.state NOT IN ('open', 'done', 'expired', 'skipped', 'superseded', 'cancelled')
                            OR (t.state = 'done') <> (t.done_at IS NOT NULL)) AS tasks_missing
    FROM tasks_task t JOIN tasks_enrollment e ON e.id = t.enrollment_id WHERE e.cadence_id = %(cadence)s
)
SELECT * FROM orders, steps, tasks
"""


@dataclass(frozen=True)
class Proof:
    """Counts of one cadence; `missing` is 0 when nothing was lost."""

    counts: dict[str, int]
    skipped_by_reason: dict[str, int] = field(default_factory=dict)
    opened_by_node: dict[str, int] = field(default_factory=dict)
    not_eligible_by_reason: dict[str, int] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        c = self.counts
        return (
            c["orders_missing"]
            + abs(c["purchases"] - c["orders_missing"] - c["anchor"] - c["joined"] - c["small"] - c["not_eligible"]
                  - c.get("orders_on_the_way", 0))
            + c["steps_missing"] + c["tasks_missing"] + c["hands_of_the_dead"]
        )  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        return self.counts | {
            "skipped_by_reason": self.skipped_by_reason,
            "opened_by_node": self.opened_by_node,
            "not_eligible_by_reason": self.not_eligible_by_reason,
            "missing": self.missing,
        }


def prove(*, cadence_id: int) -> Proof:
    """Count everything of one cadence with set-based queries. Reads only."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '10min'" if connection.in_atomic_block else "SELECT 1")
        cursor.execute(_PROOF, {"cadence": cadence_id})
        names = [column.name for column in cursor.description or ()]
        counts = {name: int(value) for name, value in zip(names, cursor.fetchone(), strict=True)}
        # an order whose event still waits is on its way, not missing
        counts["orders_on_the_way"] = (
            counts["purchases"] - counts["orders_missing"]
            - sum(counts[role] for role in ("anchor", "joined", "small", "not_eligible"))
        )  # fmt: skip
        cursor.execute(
            "SELECT reason.value, count(*) FROM tasks_enrollment e, jsonb_each_text(e.step_reasons) reason "
            "WHERE e.cadence_id = %s GROUP BY 1 ORDER BY 1",
            [cadence_id],
        )
        unopened = dict(cursor.fetchall())
        cursor.execute(
            "SELECT t.closed_reason, count(*) FROM tasks_task t JOIN tasks_enrollment e ON e.id = t.enrollment_id "
            "WHERE e.cadence_id = %s AND t.state = 'skipped' GROUP BY 1",
            [cadence_id],
        )
        for reason, number in cursor.fetchall():
            unopened[reason] = unopened.get(reason, 0) + number
        cursor.execute(
            "SELECT t.node, count(*) FROM tasks_task t JOIN tasks_enrollment e ON e.id = t.enrollment_id "
            "WHERE e.cadence_id = %s GROUP BY 1 ORDER BY 1",
            [cadence_id],
        )
        by_node = dict(cursor.fetchall())
        cursor.execute(
            "SELECT reason, count(*) FROM tasks_enrollmentcause WHERE cadence_id = %s AND role = 'not_eligible' GROUP BY 1",
            [cadence_id],
        )
        return Proof(counts, unopened, by_node, dict(cursor.fetchall()))
