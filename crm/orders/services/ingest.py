"""Orders come in: from the feed, from files, from what we sell ourselves. One batch, one transaction, a few statements.

Idempotent by (source, number): the same batch twice, or twice at the same instant, leaves one order and one event each.
Locks are taken in one order everywhere (new members, new orders, stored orders, members), so that batches wait for each
other and never lock each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from crm.catalogue.models import StyleColor
from crm.events import OrderCorrected, OrderExchanged, OrderPaid, OrderReceived, OrderReturned
from crm.members.services import lock_members
from crm.orders.models import Order, OrderChange
from crm.scoring.services import recount_members
from yejibao.core import outbox
from yejibao.core.clock import local_day
from yejibao.core.errors import Invalid

from .owners import give_owners
from .people import Links, resolve
from .points import settle_points
from .rows import LineIn, OrderIn, RowResult, complaint, read_row, refused
from .state import OrderState, advance, new_state
from .writing import insert_orders, load_states, update_orders, write_changes, write_lines

MAX_ROWS = 1000


class TooManyRows(Invalid):
    code, title = "feed.too_many_rows", _("一批最多 1,000 张单")


def ingest_orders(
    rows: Sequence[Any], *, source: str, now: datetime, hold: bool = False, is_dry_run: bool = False
) -> list[RowResult]:
    """Store a batch of orders and return one answer per row, in their order: created, same, changed or refused.

    A row that is wrong is refused alone; the others are kept. `hold` stores orders that have not reached the system
    yet (a replay releases them with `release_orders`): nothing is published or counted for them. `is_dry_run` does all
    of it and keeps nothing. Raises TooManyRows.
    """
    if len(rows) > MAX_ROWS:
        raise TooManyRows(_("这一批有 %(count)d 张单，请分批提交") % {"count": len(rows)})
    results: dict[int, RowResult] = {}
    orders: dict[int, OrderIn] = {}
    seen: dict[str, int] = {}
    for place, row in enumerate(rows):
        read = read_row(row, now=now)
        if isinstance(read, RowResult):
            results[place] = read
        elif (first := seen.setdefault(read.number, place)) != place:
            message = "这一批里前面已经有这个单号，内容以先出现的为准"
            results[place] = (
                RowResult(read.number, "same")
                if orders[first] == read
                else refused(read.number, [complaint("number", "order.duplicate_in_batch", message)])
            )
        else:
            orders[place] = read
    with transaction.atomic():
        if orders:
            _Batch(orders, source=source, now=now, hold=hold).run(results)
        if is_dry_run:
            transaction.set_rollback(True)
    return [results[place] for place in range(len(rows))]


@transaction.atomic
def release_orders(*, until: datetime, now: datetime) -> int:
    """Let the held orders paid by `until` reach the system, and return how many they were."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE crm_order SET known_at = %s WHERE known_at IS NULL AND paid_at <= %s
            RETURNING id, member_id, paid_at
            """,
            [now, until],
        )
        released = sorted(cursor.fetchall(), key=lambda row: (row[2], row[0]))
    if released:
        ids = [order_id for order_id, _, _ in released]
        outbox.publish_many([OrderPaid(order_id) for order_id in ids])
        members = lock_members(member for _, member, _ in released if member)
        give_owners(ids, now=now)
        recount_members(members, as_of=local_day(now), now=now)
        settle_points(ids, now=now)
    return len(released)


class _Batch:
    """One batch on its way in; the steps share who is who and what was found."""

    def __init__(self, orders: Mapping[int, OrderIn], *, source: str, now: datetime, hold: bool) -> None:
        self.orders, self.source, self.now, self.hold = dict(orders), source, now, hold
        self.links: dict[int, Links] = {}
        self.shas: dict[int, str] = {}

    def run(self, results: dict[int, RowResult]) -> None:
        """Answer every order of the batch."""
        self.links, wrong = resolve(self.orders, source=self.source, now=self.now)
        for place, errors in wrong.items():
            results[place] = refused(self.orders.pop(place).number, errors)
        for place, order in self.orders.items():
            link = self.links[place]
            text = f"{link.store_id}|{link.guide_id}|{link.member_id}|{order.paid_at.isoformat()}|{order.facts()}"
            self.shas[place] = hashlib.sha256(text.encode()).hexdigest()
        self._fill_from_catalogue()

        stored = self._stored(self.orders)
        new = [place for place, order in self.orders.items() if order.number not in stored]
        created = self._create(new, results)
        late = [place for place in new if place not in results]  # another batch stored them at this very moment
        if late:
            stored |= self._stored({place: self.orders[place] for place in late})
        known = [place for place in self.orders if place not in results]
        changed = self._change(known, stored, results)
        follow_up(created, changed, now=self.now)

    def _fill_from_catalogue(self) -> None:
        """Fill name, colour, family and care key of a line from the catalogue where the till left them out."""
        codes = {line.sku_code for order in self.orders.values() for line in _all_lines(order)} - {""}
        if not codes:
            return
        styles = {style.sku_code: style for style in StyleColor.objects.filter(sku_code__in=codes)}

        def fill(line: LineIn) -> LineIn:
            style = styles.get(line.sku_code)
            if style is None:
                return line
            return replace(
                line,
                item_name=line.item_name or style.name,
                color=line.color or style.color,
                family=line.family or style.category_l1,
                care_key=line.care_key or style.care_key,
            )

        if styles:
            for place, order in self.orders.items():
                self.orders[place] = replace(
                    order,
                    lines=tuple(fill(line) for line in order.lines),
                    exchanges=tuple(replace(one, line=fill(one.line)) for one in order.exchanges),
                )

    def _stored(self, orders: Mapping[int, OrderIn]) -> dict[str, Order]:
        numbers = [order.number for order in orders.values()]
        fields = ("pk", "number", "content_sha", "received_at", "status", "known_at")
        return {
            order.number: order for order in Order.objects.filter(source=self.source, number__in=numbers).only(*fields)
        }

    def _create(self, places: Iterable[int], results: dict[int, RowResult]) -> list[OrderState]:
        """Insert orders nobody has yet, with what happened to them since; one that just came in elsewhere gets no answer."""
        states: dict[int, OrderState] = {}
        for place in places:
            order, link, sha = self.orders[place], self.links[place], self.shas[place]
            state = new_state(order, link, sha, known_at=None if self.hold else self.now)
            errors = advance(state, order, link, sha, now=self.now, hold=self.hold)
            if errors:
                results[place] = refused(order.number, errors)
            else:
                states[place] = state
        ids = insert_orders(list(states.values()), source=self.source, now=self.now)
        created = []
        for place, state in states.items():
            number = self.orders[place].number
            if number in ids:
                state.id = ids[number]
                results[place] = RowResult(number, "created", order_id=state.id)
                created.append(state)
        write_lines(created)
        return created

    def _change(
        self, places: Sequence[int], stored: Mapping[str, Order], results: dict[int, RowResult]
    ) -> list[OrderState]:
        """Bring stored orders up to their rows, under their locks; most rows say nothing new and cost nothing."""
        rows = {place: stored[self.orders[place].number] for place in places}
        done = self._done({order.pk for place, order in rows.items() if self._tells_of_changes(place)})
        touched = {place: order for place, order in rows.items() if self._may_differ(place, order, done)}
        states = load_states(order.pk for order in touched.values()) if touched else {}
        changed = []
        for place, order in rows.items():
            result = RowResult(order.number, "same", order_id=order.pk)
            if place in touched:
                state = states[order.pk]
                errors = advance(
                    state, self.orders[place], self.links[place], self.shas[place], now=self.now, hold=self.hold
                )
                if errors:
                    result = refused(order.number, errors)
                elif state.has_changed:
                    result.result = "changed"
                    changed.append(state)
            results[place] = result
        update_orders(changed)
        write_lines(changed)
        return changed

    def _tells_of_changes(self, place: int) -> bool:
        order = self.orders[place]
        return bool(order.returns or order.exchanges)

    def _done(self, order_ids: set[int]) -> set[tuple[int, str, str]]:
        if not order_ids:
            return set()
        return set(OrderChange.objects.filter(order_id__in=order_ids).values_list("order_id", "kind", "number"))

    def _may_differ(self, place: int, stored: Order, done: set[tuple[int, str, str]]) -> bool:
        row = self.orders[place]
        return (
            stored.content_sha != self.shas[place]
            or (row.is_void != (stored.status == Order.Status.VOID))
            or (row.received_at is not None and stored.received_at is None)
            or (stored.known_at is None and not self.hold)
            or any((stored.pk, OrderChange.Kind.RETURN, one.number) not in done for one in row.returns)
            or any((stored.pk, OrderChange.Kind.EXCHANGE, one.number) not in done for one in row.exchanges)
        )


def follow_up(created: list[OrderState], changed: list[OrderState], *, now: datetime) -> None:
    """Write what happened, tell the others, give owners, count again, settle points: all in the same transaction."""
    states = created + changed
    if any(state.changes for state in states):
        write_changes(states, now=now)
    arrived = [state for state in states if state.known_at]
    paid = [state for state in created if state.known_at] + [state for state in changed if state.arrives]
    paid.sort(key=lambda state: (state.paid_at, state.id or 0))
    events: list[outbox.Event] = [OrderPaid(state.id or 0) for state in paid]
    for state in arrived:
        events += _events(state)
    if events:
        outbox.publish_many(events)
    members = {state.links.member_id for state in arrived if state.links.member_id}
    if members:
        lock_members(members)
        give_owners([state.id for state in paid if state.id], now=now)
        refunded = {s.links.member_id for s in arrived if s.links.member_id and any(c.refund_fen for c in s.changes)}
        recount_members(members, as_of=local_day(now), now=now, refunded=refunded)
        settle_points([state.id for state in arrived if state.id], now=now)


def _all_lines(order: OrderIn) -> Iterable[LineIn]:
    yield from order.lines
    yield from (one.line for one in order.exchanges)


def _events(state: OrderState) -> list[outbox.Event]:
    order_id = state.id or 0
    events: list[outbox.Event] = []
    for change in state.changes:
        at = change.at.isoformat()
        match change.kind:
            case OrderChange.Kind.RETURN:
                events.append(OrderReturned(order_id, bool(change.details["is_full"]), at))
            case OrderChange.Kind.VOID:
                events.append(OrderReturned(order_id, True, at))
            case OrderChange.Kind.EXCHANGE:
                events.append(OrderExchanged(order_id, at))
            case OrderChange.Kind.RECEIPT:
                events.append(OrderReceived(order_id, at))
            case OrderChange.Kind.CORRECTION:
                events.append(OrderCorrected(order_id))
    return events
