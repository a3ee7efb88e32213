"""What he bought, as the engine keeps it on the enrollment: the dearest item leads and is the hero of every text."""

from collections.abc import Sequence

from django.db import connection

from . import moments

ITEM = """jsonb_build_object('line', l.id, 'name', l.item_name, 'color', l.color, 'size', l.size, 'care', l.care_key,
                             'fen', l.paid_fen)"""
STILL_HIS = "l.returned_quantity < l.quantity AND l.replaced_by_id IS NULL"


def title(item: str) -> str:
    """Return SQL for what an item is called, the colour once (scripts.facts.item_title); NULL without a name."""
    name, color = f"({item}->>'name')", f"coalesce({item}->>'color', '')"
    return f"nullif(CASE WHEN strpos({name}, {color}) > 0 THEN {name} ELSE {color} || {name} END, {color})"


def why(template: str, items: str, days: str) -> str:
    """Return SQL for the reason of a task: a step's text with {item}, {more} and {days} filled in."""
    more = f"CASE WHEN jsonb_array_length({items}) > 1 THEN '等 ' || jsonb_array_length({items}) || ' 件' ELSE '' END"
    text = f"replace({template}, '{{item}}', coalesce({title(f'{items}->0')}, '衣服'))"
    return f"left(replace(replace({text}, '{{more}}', {more}), '{{days}}', ({days})::text), 160)"


def of_order(order: str, name: str = "items") -> str:
    """Return a lateral `name(list)` with the items of one order that are still his, dearest first."""
    return f"""
    CROSS JOIN LATERAL (SELECT coalesce(jsonb_agg({ITEM} ORDER BY l.paid_fen DESC, l.id), '[]'::jsonb) AS list
                        FROM crm_orderline l WHERE l.order_id = {order} AND {STILL_HIS}) {name}
    """


def refresh_items(enrollment_ids: Sequence[int]) -> None:
    """Rebuild the items of cycles from all their orders; their open tasks get them and the reason that names them."""
    if not enrollment_ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH fresh AS (
                SELECT e.id, e.anchor_on, coalesce(jsonb_agg({ITEM} ORDER BY l.paid_fen DESC, l.id)
                                      FILTER (WHERE l.id IS NOT NULL), '[]'::jsonb) AS list
                FROM tasks_enrollment e
                JOIN tasks_enrollmentcause c ON c.enrollment_id = e.id
                LEFT JOIN crm_orderline l ON l.order_id = c.order_id AND {STILL_HIS}
                WHERE e.id = ANY(%s) GROUP BY e.id
            ), kept AS (
                UPDATE tasks_enrollment e SET items = fresh.list FROM fresh WHERE e.id = fresh.id
            )
            UPDATE tasks_task t SET context = t.context || jsonb_build_object('items', fresh.list),
                why = {why("step.why", "fresh.list", f"{moments.local_date('t.open_at')} - fresh.anchor_on")}
            FROM fresh, tasks_cadencestep step
            WHERE t.enrollment_id = fresh.id AND t.state = 'open' AND step.version_id = t.cadence_version_id AND step.key = t.node
            """,
            [list(enrollment_ids)],
        )
