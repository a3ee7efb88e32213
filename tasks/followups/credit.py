"""Which sale came of which touch: one order, one credit, to the last reach within seven days (models.yaml attribution).

Where he came because a task had asked him to (crm/visits), it is that task's, whatever reminded him of it in between.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection


def credit_orders(order_ids: Sequence[int], *, now: datetime) -> int:
    """Give paid orders to the last reach (evidence level 2 and up) of that member before paying: evidence level 5."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH credited AS (
                SELECT o.id AS order_id, o.net_amount_fen, last.task_id FROM crm_order o
                CROSS JOIN LATERAL (
                    SELECT touch.task_id FROM (
                        (SELECT 1 AS rank, asked.id AS task_id FROM crm_visit v CROSS JOIN LATERAL (
                            SELECT t.id FROM tasks_task t
                            WHERE t.id = CASE WHEN v.cause LIKE 'task:%%' THEN substr(v.cause, 6)::bigint END
                            UNION ALL SELECT t.id FROM tasks_task t WHERE t.dedupe_key = 'visit_invite:visit:' || v.id
                         ) asked WHERE v.order_id = o.id AND v.state = 'bought' LIMIT 1)
                        UNION ALL
                        (SELECT 2, r.task_id FROM tasks_reach r
                         WHERE r.member_id = o.member_id AND r.level >= 2 AND r.task_id IS NOT NULL
                           AND r.at < o.paid_at AND o.paid_at - r.at <= interval '7 days'
                         ORDER BY r.at DESC, r.id DESC LIMIT 1)
                    ) touch ORDER BY touch.rank LIMIT 1
                ) last
                WHERE o.id = ANY(%(ids)s) AND o.status = 'paid' AND o.net_amount_fen > 0
                  AND o.kind IN ('retail', 'mall', 'proxy', 'live')
                  AND NOT EXISTS (SELECT 1 FROM tasks_taskevidence e WHERE e.task_id = last.task_id
                                    AND e.kind = 'order_linked' AND (e.payload->>'order')::bigint = o.id)
            ), proof AS (
                INSERT INTO tasks_taskevidence (task_id, kind, level, payload, is_auto, at)
                SELECT task_id, 'order_linked', 5, jsonb_build_object('order', order_id, 'fen', net_amount_fen), true, %(now)s
                FROM credited RETURNING task_id
            )
            UPDATE tasks_task t SET evidence_kind = 'order_linked', evidence_level = 5, evidence_at = %(now)s
            FROM proof WHERE t.id = proof.task_id
            """,
            {"ids": list(order_ids), "now": now},
        )
        return cursor.rowcount
