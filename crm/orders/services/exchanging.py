"""A piece exchanged in our own shops: the order knows what he has now, and what it came to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.catalogue.models import Sku
from crm.orders.models import Order, OrderChange
from yejibao.core.errors import Conflict

from .ingest import follow_up
from .rows import ExchangeIn, LineIn
from .state import exchange, split
from .writing import load_states, update_orders, write_lines


class NotExchangeable(Conflict):
    code, title = "order.not_exchangeable", _("这一件换不了")


@dataclass(frozen=True)
class Exchanged:
    """Which line went, and which came for it. Of a line of several pieces those that went stand on a line of their own."""

    gone_no: int
    new_no: int


@transaction.atomic
def exchange_pieces(
    order: Order, *, line_no: int, quantity: int, sku: Sku, difference_fen: int, number: str, now: datetime
) -> Exchanged:
    """Put pieces of another size or style in the place of some of a line's; tells the follow-ups, settles points and level.

    The order comes to so much more, or less where the difference is below 0. `number` is the exchange's own. Raises
    NotExchangeable (fewer are left of the line, order void, this exchange is done).
    """
    state = load_states([order.pk])[order.pk]
    old = state.lines.get(line_no)
    if state.status != Order.Status.PAID or old is None or old.left < quantity:
        raise NotExchangeable(_("这一件已经退了或者换过了"))
    if (OrderChange.Kind.EXCHANGE, number) in state.done:
        raise NotExchangeable(_("这次换货已经办过了"))
    gone = line_no if quantity == old.line.quantity else split(state, line_no, quantity)
    paid_fen = state.lines[gone].line.paid_fen + difference_fen
    if complaints := exchange(state, ExchangeIn(number, now, gone, _line(sku, quantity, paid_fen))):
        raise NotExchangeable(complaints[0]["message"])
    update_orders([state])
    write_lines([state])
    follow_up([], [state], now=now)
    return Exchanged(gone, state.lines[gone].replaced_by or 0)


def _line(sku: Sku, quantity: int, paid_fen: int) -> LineIn:
    style = sku.style
    return LineIn(
        0, style.sku_code, style.name, style.color, sku.size, style.care_key, style.category_l1, quantity, paid_fen
    )  # fmt: skip
