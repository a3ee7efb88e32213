"""Returns that come without their orders, from a source that reports them apart: by the same rules, set-based."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import datetime
from typing import Any

from django.db import transaction

from crm.orders.models import Order, OrderChange
from yejibao.core.clock import parse_iso

from .ingest import follow_up
from .rows import ReturnIn, RowResult, complaint, refused
from .state import OrderState, give_back
from .writing import load_states, update_orders, write_lines

Slip = tuple[str, str]  # order number, number of the return


@transaction.atomic
def ingest_returns(
    rows: Sequence[Mapping[str, Any]], *, source: str, now: datetime, is_dry_run: bool = False
) -> list[RowResult]:
    """Let goods of stored orders come back and return one answer per row: created, same or refused.

    A row has order, number, returned_at and, where not all that is left comes back, line_no, quantity and refund_fen. Rows of
    one return are one act: with one of them wrong none counts. `is_dry_run` keeps nothing.
    """
    slips: dict[Slip, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        slips[str(row["order"]), str(row["number"])].append(place)
    ids = dict(
        Order.objects.filter(source=source, number__in={order for order, _ in slips}).values_list("number", "pk")
    )
    states = load_states(ids.values())
    results: dict[int, RowResult] = {}
    touched: dict[int, OrderState] = {}
    for (order, number), places in sorted(slips.items(), key=lambda one: str(rows[one[1][0]]["returned_at"])):
        state = touched.get(ids.get(order, 0)) or states.get(ids.get(order, 0))
        answer = _slip(state, number, [rows[place] for place in places])
        if isinstance(answer, OrderState):
            touched[ids[order]] = answer
        for place in places:
            results[place] = (
                answer if isinstance(answer, RowResult) else RowResult(number, "created", order_id=ids[order])
            )
    changed = list(touched.values())
    update_orders(changed)
    write_lines(changed)
    follow_up([], changed, now=now)
    if is_dry_run:
        transaction.set_rollback(True)
    return [results[place] for place in range(len(rows))]


def _slip(state: OrderState | None, number: str, rows: list[Mapping[str, Any]]) -> OrderState | RowResult:
    """Return the order after a return, or what there is to say instead."""
    if state is None:
        return refused(number, [complaint("order", "order.unknown", "没有这张原单")])
    if (OrderChange.Kind.RETURN, number) in state.done:
        return RowResult(number, "same", order_id=state.id)
    if state.status == Order.Status.VOID:
        return refused(number, [complaint("order", "order.is_void", "原单已作废，不能再退")])
    at = min(parse_iso(str(row["returned_at"])) for row in rows)
    if at < state.paid_at:
        return refused(number, [complaint("returned_at", "order.change_before_payment", "时间早于付款时间")])
    parts = [row for row in rows if row.get("line_no")]
    if parts and len(parts) < len(rows):
        return refused(number, [complaint("line_no", "order.line_unknown", "有的行写了行号，有的没写")])
    lines = []
    for row in parts:
        line = state.lines.get(row["line_no"])
        quantity = row.get("quantity") or (line.left if line else 1)
        refund = row.get("refund_fen")
        lines.append((row["line_no"], quantity, line.line.paid_fen if refund is None and line else refund or 0))
    after = deepcopy(state)
    errors = give_back(after, ReturnIn(number, at, tuple(lines)))
    return refused(number, errors) if errors else after
