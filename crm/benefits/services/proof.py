"""The proof that points balance to the point: every rule counted over the whole ledger, each in one statement."""

from __future__ import annotations

from datetime import datetime

from django.db import connection, transaction
from django.db.models import Count, Sum

from crm.benefits.models import PointsEntry, PointsProof
from yejibao.core import clock

# What must never be: how many members, lots or entries break a rule.
RULES = {
    "balance_is_sum_of_entries": """
        SELECT count(*) FROM crm_pointsaccount a
        FULL JOIN (SELECT member_id, sum(points) AS sum FROM crm_pointsentry GROUP BY member_id) e
             ON e.member_id = a.member_id
        WHERE coalesce(a.balance, 0) <> coalesce(e.sum, 0)""",
    "left_is_sum_of_lots": """
        SELECT count(*) FROM crm_pointsaccount a
        FULL JOIN (SELECT member_id, sum(left_points) AS sum FROM crm_pointslot GROUP BY member_id) l
             ON l.member_id = a.member_id
        WHERE coalesce(a.left_points, 0) <> coalesce(l.sum, 0)""",
    "lot_is_left_and_used": """
        SELECT count(*) FROM crm_pointslot l
        LEFT JOIN (SELECT lot_id, sum(points) AS sum FROM crm_pointsuse GROUP BY lot_id) u ON u.lot_id = l.id
        WHERE l.points <> l.left_points + coalesce(u.sum, 0)""",
    "lots_are_what_came_in": """
        SELECT count(*) FROM (SELECT member_id, sum(points) AS sum FROM crm_pointslot GROUP BY member_id) l
        FULL JOIN (SELECT member_id, sum(points) AS sum FROM crm_pointsentry WHERE points > 0 GROUP BY member_id) e
             ON e.member_id = l.member_id
        WHERE coalesce(l.sum, 0) <> coalesce(e.sum, 0)""",
    "spending_came_from_lots": """
        SELECT count(*) FROM crm_pointsentry e
        LEFT JOIN (SELECT entry_id, sum(points) AS sum FROM crm_pointsuse GROUP BY entry_id) u ON u.entry_id = e.id
        WHERE e.kind IN ('spend', 'exchange', 'expire') AND -e.points > coalesce(u.sum, 0)""",
    "order_earned_what_it_is_worth": """
        SELECT count(*) FROM crm_pointslot l
        LEFT JOIN (SELECT subject, sum(points) AS sum FROM crm_pointsentry
                   WHERE kind IN ('earn', 'take_back') AND subject <> '' GROUP BY subject) e ON e.subject = l.subject
        WHERE l.subject <> '' AND l.earned_points <> coalesce(e.sum, 0)""",
    "given_back_was_spent": """
        SELECT count(*) FROM (
            SELECT e.member_id, sum(u.returned_points) AS sum FROM crm_pointsuse u JOIN crm_pointsentry e ON e.id = u.entry_id
            GROUP BY e.member_id) u
        FULL JOIN (SELECT member_id, sum(points) AS sum FROM crm_pointsentry WHERE kind = 'give_back' GROUP BY member_id) e
             ON e.member_id = u.member_id
        WHERE coalesce(u.sum, 0) <> coalesce(e.sum, 0)""",
}


def prove_points(*, now: datetime) -> PointsProof:
    """Count what breaks a rule, over the whole ledger as it is at one instant, and keep the answer of the day."""
    # One statement, so one snapshot: what is spent meanwhile is in all of the sums or in none.
    counted = " UNION ALL ".join(f"SELECT '{name}', ({statement})" for name, statement in RULES.items())
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")  # over all entries there ever were; nightly, nobody waits
        cursor.execute(counted)
        faults = dict(cursor.fetchall())
        sums = PointsEntry.objects.aggregate(count=Count("pk"), sum=Sum("points"))
        facts = {"proved_at": now, "entry_count": sums["count"], "balance": sums["sum"] or 0, "faults": faults}
        proof, _new = PointsProof.objects.update_or_create(day=clock.local_day(now), defaults=facts)
    return proof
