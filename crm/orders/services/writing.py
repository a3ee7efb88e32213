"""Set-based writes of orders, lines and changes: the same few statements for one order and for a thousand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from crm.orders.models import Order, OrderChange, OrderLine
from yejibao.core.clock import local_day

from .people import Links
from .rows import LineIn
from .state import LineState, OrderState

_ORDER_COLUMNS = """
    store_id bigint, guide_id bigint, member_id bigint, kind text, status text, is_gift bool, is_delivery bool,
    known_at timestamptz, received_at timestamptz, paid_fen bigint, refunded_fen bigint, net_amount_fen bigint,
    guide_note text, content_sha text"""
_LINE_COLUMNS = """
    order_id bigint, line_no int, sku_code text, item_name text, color text, size text, care_key text, family text,
    quantity int, returned_quantity int, paid_fen bigint"""


def _names(columns: str) -> list[str]:
    return [column.split()[0] for column in columns.split(",")]


def insert_orders(states: Sequence[OrderState], *, source: str, now: datetime) -> dict[str, int]:
    """Insert new orders in order of their numbers; return number -> id of those that were not there yet."""
    if not states:
        return {}
    names = _names(_ORDER_COLUMNS)
    values = []
    for state in states:
        assert state.row is not None
        values.append(
            {
                "number": state.row.number,
                "paid_at": state.paid_at.isoformat(),
                "paid_on": local_day(state.paid_at).isoformat(),
            }
            | _order_values(state)
        )
    values.sort(key=lambda row: row["number"])
    return dict(
        _run(
            f"""
            INSERT INTO crm_order (source, number, paid_at, paid_on, created_at, {", ".join(names)})
            SELECT %s, number, paid_at, paid_on, %s, {", ".join(names)}
            FROM jsonb_to_recordset(%s::jsonb)
                 AS r(number text, paid_at timestamptz, paid_on date, {_ORDER_COLUMNS})
            ON CONFLICT (source, number) DO NOTHING RETURNING number, id
            """,
            [source, now, json.dumps(values)],
        )
    )


def update_orders(states: Sequence[OrderState]) -> None:
    """Write stored orders back; the caller holds their locks."""
    if not states:
        return
    names = _names(_ORDER_COLUMNS)
    _run(
        f"""
        UPDATE crm_order o SET {", ".join(f"{name} = r.{name}" for name in names)}
        FROM jsonb_to_recordset(%s::jsonb) AS r(id bigint, {_ORDER_COLUMNS}) WHERE o.id = r.id
        """,
        [json.dumps([{"id": state.id} | _order_values(state) for state in states])],
    )


def write_lines(states: Sequence[OrderState]) -> None:
    """Insert new lines, update old ones, drop those a correction took away, point exchanged lines at their heirs."""
    if removed := [pk for state in states for pk in state.removed_lines]:
        OrderLine.objects.filter(pk__in=removed).delete()
    values = [_line_values(state, line) for state in states for line in state.lines.values()]
    if not values:
        return
    names = _names(_LINE_COLUMNS)
    kept = [name for name in names if name not in ("order_id", "line_no")]
    _run(
        f"""
        INSERT INTO crm_orderline ({", ".join(names)})
        SELECT {", ".join(names)} FROM jsonb_to_recordset(%s::jsonb) AS r({_LINE_COLUMNS})
        ON CONFLICT (order_id, line_no) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in kept)}
        """,
        [json.dumps(values)],
    )
    replaced = [
        {"order_id": state.id, "line_no": number, "by": line.replaced_by}
        for state in states
        for number, line in state.lines.items()
        if line.replaced_by
    ]
    if replaced:
        _run(
            """
            UPDATE crm_orderline l SET replaced_by_id = heir.id
            FROM jsonb_to_recordset(%s::jsonb) AS r(order_id bigint, line_no int, by int)
            JOIN crm_orderline heir ON heir.order_id = r.order_id AND heir.line_no = r.by
            WHERE l.order_id = r.order_id AND l.line_no = r.line_no
            """,
            [json.dumps(replaced)],
        )


def write_changes(states: Sequence[OrderState], *, now: datetime) -> None:
    """Store what happened; the same return counts once."""
    OrderChange.objects.bulk_create(
        [
            OrderChange(
                order_id=state.id or 0,
                number=change.number,
                kind=change.kind,
                at=change.at,
                known_at=now,
                refund_fen=change.refund_fen,
                details=change.details,
            )
            for state in states
            for change in state.changes
        ],
        ignore_conflicts=True,
    )


def load_states(order_ids: Iterable[int]) -> dict[int, OrderState]:
    """Lock stored orders, in order of their ids, and return their states."""
    states: dict[int, OrderState] = {}
    orders = Order.objects.filter(pk__in=list(order_ids)).order_by("pk")
    for order in orders.select_for_update(of=("self",), no_key=True):  # its cycle may be enrolled meanwhile
        states[order.pk] = OrderState(
            row=None,
            links=Links(order.store_id, order.guide_id, order.member_id),
            kind=order.kind,
            paid_at=order.paid_at,
            status=order.status,
            is_gift=order.is_gift,
            is_delivery=order.is_delivery,
            note=order.guide_note,
            paid_fen=order.paid_fen,
            refunded_fen=order.refunded_fen,
            received_at=order.received_at,
            known_at=order.known_at,
            content_sha=order.content_sha,
            lines={},
            id=order.pk,
        )
    lines = list(OrderLine.objects.filter(order_id__in=states).order_by("order_id", "line_no"))
    numbers = {line.pk: line.line_no for line in lines}
    heirs = {line.replaced_by_id for line in lines if line.replaced_by_id}
    for row in lines:
        line = LineIn(
            row.line_no,
            row.sku_code,
            row.item_name,
            row.color,
            row.size,
            row.care_key,
            row.family,
            row.quantity,
            row.paid_fen,
        )
        states[row.order_id].lines[row.line_no] = LineState(
            line,
            id=row.pk,
            returned_quantity=row.returned_quantity,
            replaced_by=numbers.get(row.replaced_by_id) if row.replaced_by_id else None,
            is_base=row.pk not in heirs,
        )
    done = OrderChange.objects.filter(order_id__in=states).values_list("order_id", "kind", "number")
    for order_id, kind, number in done:
        states[order_id].done.add((kind, number))
    return states


def _order_values(state: OrderState) -> dict[str, Any]:
    return {
        "store_id": state.links.store_id,
        "guide_id": state.links.guide_id,
        "member_id": state.links.member_id,
        "kind": state.kind,
        "status": state.status,
        "is_gift": state.is_gift,
        "is_delivery": state.is_delivery,
        "known_at": state.known_at.isoformat() if state.known_at else None,
        "received_at": state.received_at.isoformat() if state.received_at else None,
        "paid_fen": state.paid_fen,
        "refunded_fen": state.refunded_fen,
        "net_amount_fen": state.net_amount_fen,
        "guide_note": state.note,
        "content_sha": state.content_sha,
    }


def _line_values(state: OrderState, line: LineState) -> dict[str, Any]:
    item = line.line
    return {
        "order_id": state.id,
        "line_no": item.line_no,
        "sku_code": item.sku_code,
        "item_name": item.item_name,
        "color": item.color,
        "size": item.size,
        "care_key": item.care_key,
        "family": item.family,
        "quantity": item.quantity,
        "returned_quantity": line.returned_quantity,
        "paid_fen": item.paid_fen,
    }


def _run(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else []
