"""Whose a member becomes: the guide who sold to him first."""

from collections.abc import Collection
from datetime import datetime

from django.db import connection

from guides.org.models import Staff

PURCHASE_KINDS = ("retail", "mall", "proxy", "live")  # models.yaml common.purchase


def give_owners(order_ids: Collection[int], *, now: datetime) -> int:
    """Give members without an own guide the guide of their first qualifying order among these; return how many.

    A member without a main store gets the store of that order. The caller holds the members' locks
    (`lock_members`), in the transaction that stores the orders.
    """
    if not order_ids:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH first_orders AS (
                SELECT DISTINCT ON (o.member_id) o.member_id, o.store_id, m.owner_guide_id IS NULL AS had_none,
                       CASE WHEN s.state = ANY(%(working)s) THEN o.guide_id END AS guide_id
                FROM crm_order o JOIN crm_member m ON m.id = o.member_id LEFT JOIN guides_staff s ON s.id = o.guide_id
                WHERE o.id = ANY(%(orders)s) AND o.status = 'paid' AND o.net_amount_fen > 0 AND o.kind = ANY(%(kinds)s)
                  AND m.status = 'active' AND NOT m.is_employee
                  AND (m.owner_guide_id IS NULL OR m.main_store_id IS NULL)
                ORDER BY o.member_id, (s.state = ANY(%(working)s)) IS NOT TRUE, o.paid_at, o.id
            ), given AS (
                UPDATE crm_member m SET owner_guide_id = coalesce(m.owner_guide_id, f.guide_id),
                       main_store_id = coalesce(m.main_store_id, f.store_id)
                FROM first_orders f
                WHERE m.id = f.member_id
                  AND (m.main_store_id IS NULL OR (m.owner_guide_id IS NULL AND f.guide_id IS NOT NULL))
                RETURNING m.id, m.owner_guide_id, f.had_none
            )
            INSERT INTO crm_ownershiptransfer (member_id, from_guide_id, to_guide_id, reason, at)
            SELECT id, NULL, owner_guide_id, 'first_purchase', %(now)s FROM given
            WHERE had_none AND owner_guide_id IS NOT NULL
            """,
            {"orders": list(order_ids), "kinds": list(PURCHASE_KINDS), "working": list(Staff.MAY_SIGN_IN), "now": now},
        )
        return cursor.rowcount
