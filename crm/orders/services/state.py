"""An order and what happened to it, in memory: the rules of returns, exchanges, receipts, corrections and voids.

The same rules hold for an order that is new (built from its row) and for one that is stored (built from its tables
under a lock). `advance` changes the state and lists the changes to write; it returns complaints instead where a rule says no.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from crm.orders.models import Order, OrderChange

from .people import Links
from .rows import ExchangeIn, LineIn, OrderIn, ReturnIn, complaint

Kind = OrderChange.Kind
Complaints = list[dict[str, str]]


@dataclass(slots=True)
class LineState:
    line: LineIn
    id: int | None = None
    returned_quantity: int = 0
    replaced_by: int | None = None  # line_no of the line that took its place
    is_base: bool = True  # sold at first, not come by an exchange

    @property
    def left(self) -> int:
        """Return how many pieces he still has; a line that was exchanged away has none."""
        return 0 if self.replaced_by else self.line.quantity - self.returned_quantity


@dataclass(frozen=True, slots=True)
class Change:
    kind: str
    number: str
    at: datetime
    refund_fen: int = 0
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class OrderState:
    row: OrderIn | None  # the row it was built from, for a new order
    links: Links
    kind: str
    paid_at: datetime
    status: str
    is_gift: bool
    is_delivery: bool
    note: str
    paid_fen: int
    refunded_fen: int
    received_at: datetime | None
    known_at: datetime | None
    content_sha: str
    lines: dict[int, LineState]
    done: set[tuple[str, str]] = field(default_factory=set)  # (kind, number) of changes that are stored
    id: int | None = None
    changes: list[Change] = field(default_factory=list)  # to be written
    removed_lines: list[int] = field(default_factory=list)
    arrives: bool = False  # was held for a replay and reaches the system now

    @property
    def net_amount_fen(self) -> int:
        """Return what is left of the money; nothing once all goods are back, whatever was kept as a fee."""
        return 0 if self.status != Order.Status.PAID else self.paid_fen - self.refunded_fen

    @property
    def has_changed(self) -> bool:
        return bool(self.changes) or self.arrives


def new_state(row: OrderIn, links: Links, sha: str, *, known_at: datetime | None) -> OrderState:
    """Return the state of an order as it was sold, before its own changes are applied."""
    return OrderState(
        row, links, row.kind, row.paid_at, Order.Status.PAID, row.is_gift, row.is_delivery, row.note, row.paid_fen, 0,
        row.received_at, known_at, sha, {line.line_no: LineState(line) for line in row.lines},
    )  # fmt: skip


def advance(state: OrderState, row: OrderIn, links: Links, sha: str, *, now: datetime, hold: bool) -> Complaints:
    """Bring a state up to what a row says. Changes that are stored already are passed over."""
    if state.status == Order.Status.VOID:
        return [] if row.is_void else [complaint("status", "order.is_void", "这张单已作废，不能再改")]
    if not hold and state.known_at is None:
        state.known_at, state.arrives = now, True
    if sha != state.content_sha and (errors := _correct(state, row, links, sha, now)):
        return errors
    if row.received_at and not state.received_at:
        state.received_at = row.received_at
        state.changes.append(Change(Kind.RECEIPT, "receipt", row.received_at))
    later: list[ReturnIn | ExchangeIn] = [*row.returns, *row.exchanges]
    for change in sorted(later, key=lambda one: (one.at, one.number)):
        match change:
            case ReturnIn() if (Kind.RETURN, change.number) not in state.done:
                errors = give_back(state, change)
            case ExchangeIn() if (Kind.EXCHANGE, change.number) not in state.done:
                errors = exchange(state, change)
            case _:
                errors = []
        if errors:
            return errors
    if row.is_void:
        state.changes.append(Change(Kind.VOID, "void", now, state.net_amount_fen))
        state.refunded_fen, state.status = state.paid_fen, Order.Status.VOID
    return []


def _correct(state: OrderState, row: OrderIn, links: Links, sha: str, now: datetime) -> Complaints:
    if row.paid_at != state.paid_at:
        return [complaint("paid_at", "order.identity_changed", "付款时间不能更正；请作废后用新单号重传")]
    if state.links.member_id and links.member_id != state.links.member_id:
        return [complaint("member", "order.identity_changed", "会员不能更正；请作废后用新单号重传")]
    sold = {number: line.line for number, line in state.lines.items() if line.is_base}
    wanted = {line.line_no: line for line in row.lines}
    sold_fen = sum(line.paid_fen for line in sold.values()) if sold else state.paid_fen
    before = {"paid_fen": state.paid_fen, "guide": state.links.guide_id, "store": state.links.store_id}
    if row.paid_fen != sold_fen or any(not _same(sold.get(n), wanted.get(n)) for n in sold | wanted):
        if any(kind in (Kind.RETURN, Kind.EXCHANGE) for kind, _ in state.done):
            return [complaint("lines", "order.lines_final", "已有退换货的单不能再更正明细和金额")]
        state.removed_lines += [old.id for n, old in state.lines.items() if n not in wanted and old.id]
        state.lines = {
            n: LineState(line, id=state.lines[n].id if n in state.lines else None) for n, line in wanted.items()
        }
        state.paid_fen = row.paid_fen
    state.links, state.content_sha = links, sha
    state.kind, state.is_gift, state.is_delivery, state.note = row.kind, row.is_gift, row.is_delivery, row.note
    after = {"paid_fen": state.paid_fen, "guide": links.guide_id, "store": links.store_id}
    number = f"{sha[:24]}@{now:%Y%m%dT%H%M%S%f}"
    state.changes.append(Change(Kind.CORRECTION, number, now, details={"before": before, "after": after}))
    return []


def _same(stored: LineIn | None, sent: LineIn | None) -> bool:
    """Compare what a till says of a line; what the catalogue filled in does not count."""
    if stored is None or sent is None:
        return stored is sent
    keep = {
        name: getattr(stored, name) for name in ("item_name", "color", "care_key", "family") if not getattr(sent, name)
    }
    return stored == replace(sent, **keep)


def give_back(state: OrderState, change: ReturnIn) -> Complaints:
    """Let goods come back. A state for which it complains is spoilt."""
    left = {number: line.left for number, line in state.lines.items() if line.left}
    parts = change.lines or tuple((number, quantity, 0) for number, quantity in left.items())
    money_left = state.paid_fen - state.refunded_fen
    refund = sum(fen for _, _, fen in change.lines) if change.lines else money_left
    if state.lines and not left:
        return [complaint("returns", "order.return_exceeds", "这张单的商品已经全部退过")]
    for number, quantity, _ in parts:
        line = state.lines.get(number)
        if line is None:
            return [complaint("returns", "order.line_unknown", f"没有第 {number} 行商品")]
        if quantity > line.left:
            return [complaint("returns", "order.return_exceeds", f"第 {number} 行最多还能退 {line.left} 件")]
        line.returned_quantity += quantity
    if refund > money_left:
        return [complaint("returns", "order.refund_exceeds", "退款超过这张单剩下的实付金额")]
    state.refunded_fen += refund
    is_full = not any(line.left for line in state.lines.values()) or (state.paid_fen > 0 and refund == money_left)
    if is_full:
        state.status = Order.Status.RETURNED
    details = {"lines": [list(part) for part in parts], "is_full": is_full}
    state.done.add((Kind.RETURN, change.number))
    state.changes.append(Change(Kind.RETURN, change.number, change.at, refund, details))
    return []


def split(state: OrderState, line_no: int, quantity: int) -> int:
    """Put some of the pieces that are left of a line on a line of their own, with their share; return its number."""
    old = state.lines[line_no]
    pieces, gone = old.line.quantity, old.returned_quantity
    share = old.line.paid_fen * (gone + quantity) // pieces - old.line.paid_fen * gone // pieces
    number = max(state.lines) + 1
    parted = replace(old.line, line_no=number, quantity=quantity, paid_fen=share)
    state.lines[number] = LineState(parted, is_base=old.is_base)
    old.line = replace(old.line, quantity=pieces - quantity, paid_fen=old.line.paid_fen - share)
    return number


def exchange(state: OrderState, change: ExchangeIn) -> Complaints:
    """Put a line in the place of another. Dearer: he paid the difference; cheaper: it was refunded."""
    old = state.lines.get(change.line_no)
    if old is None or old.left == 0:
        return [complaint("exchanges", "order.line_unknown", f"第 {change.line_no} 行没有可换的商品")]
    number = change.line.line_no or max(state.lines) + 1
    if number in state.lines:
        return [complaint("exchanges", "order.line_twice", f"行号 {number} 已经有商品")]
    state.lines[number] = LineState(replace(change.line, line_no=number), is_base=False)
    old.replaced_by = number
    difference = change.line.paid_fen - old.line.paid_fen
    if difference > 0:
        state.paid_fen += difference
    elif -difference > state.paid_fen - state.refunded_fen:
        return [complaint("exchanges", "order.refund_exceeds", "退款超过这张单剩下的实付金额")]
    else:
        state.refunded_fen -= difference
    state.done.add((Kind.EXCHANGE, change.number))
    details = {"line_no": change.line_no, "with_line_no": number}
    state.changes.append(Change(Kind.EXCHANGE, change.number, change.at, max(0, -difference), details))
    return []
