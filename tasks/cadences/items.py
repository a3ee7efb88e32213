"""What he bought, as the engine keeps it on the enrollment: the dearest item leads and is the hero of every text."""

from collections.abc import Sequence

from django.db import connection

ITEM = """jsonb_build_object('line', l.id, 'name', l.item_name, 'color', l.color, 'size', l.size, 'care', l.care_key,
                             'fen', l.paid_fen)"""
STILL_HIS = "l.returned_quantity < l.quantity AND l.replaced_by_id IS NULL"


def title(item: str) -> str:
    """Return SQL for what an item is called, the colour once (scripts.facts.item_title); NULL without a name."""
    name, color = f"({item}->>'name')", f"coalesce({item}->>'color', '')"
    return f"nullif(CASE WHEN strpos({name}, {color}) > 0 THEN {name} ELSE {color} || {name} END, {color})"


def of_order(order: str, name: str = "items") -> str:
    """Return a lateral `name(list)` with the items of one order that are still his, dearest first."""
    return f"""
    CROSS JOIN LATERAL (SELECT coalesce(jsonb_agg({ITEM} ORDER BY l.paid_fen DESC, l.id), '[]'::jsonb) AS list
                        FROM crm_orderline l WHERE l.order_id = {order} AND {STILL_HIS}) {name}
    """


def refresh_items(enrollment_ids: Sequence[int]) -> None:
    """Rebuild the items of cycles from all their orders, and of their open tasks; set-based."""
    if not enrollment_ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH fresh AS (
                SELECT e.id, coalesce(jsonb_agg({ITEM} ORDER BY l.paid_fen DESC, l.id)
                                      FILTER (WHERE l.id IS NOT NULL), '[]'::jsonb) AS list
                FROM tasks_enrollment e
                JOIN tasks_enrollmentcause c ON c.enrollment_id = e.id
                LEFT JOIN crm_orderline l ON l.order_id = c.order_id AND {STILL_HIS}
                WHERE e.id = ANY(%s) GROUP BY e.id
            ), kept AS (
                UPDATE tasks_enrollment e SET items = fresh.list FROM fresh WHERE e.id = fresh.id
            )
            UPDATE tasks_task t SET context = t.context || jsonb_build_object('items', fresh.list)
            FROM fresh WHERE t.enrollment_id = fresh.id AND t.state = 'open'
            """,
            [list(enrollment_ids)],
        )
