"""An exchange is carried out: money that goes back, points, lines, order, goods, in the caller's transaction."""

from __future__ import annotations

from datetime import datetime

from django.db.models import F

from crm.benefits import services as benefits
from crm.catalogue import services as catalogue
from crm.members.services import lock_members
from crm.orders.models import Order
from crm.orders.services import exchange_pieces
from yejibao.core import audit
from yejibao.core.scope import Actor

from ..exchange import NEW, place_on_card
from ..exchange_queries import ExchangeQuote
from ..models import Exchange, Sale, SaleLine, SalePayment, SaleRefund
from ..queries import skus_of_lines
from ..reversal import Sold
from .paying_back import books_must_balance, pay_back
from .pieces import pieces_come_back
from .taking import subject_of

State, Way = Exchange.State, SalePayment.Way


def carry_out_exchange(
    row: Exchange, order: Order, sale: Sale | None, found: ExchangeQuote, *, actor: Actor, now: datetime
) -> Exchange:  # fmt: skip
    """Exchange: money that goes back, points, the lines, the order with all that follows, the goods."""
    if order.member_id:
        lock_members([order.member_id])
    old_sku = skus_of_lines(order, sale).get(row.line_no)
    waits = sale is not None and row.refund is not None and _give_back(row, sale, found, actor=actor, now=now)
    if sale is not None and found.swap.points and sale.points_entry_id:
        benefits.give_back_points(
            sale.points_entry_id, points=found.swap.points, key=f"exchange:{row.pk}", subject=subject_of(sale), now=now, actor=actor
        )  # fmt: skip
    done = exchange_pieces(
        order, line_no=row.line_no, quantity=row.quantity, sku=row.sku, difference_fen=row.difference_fen,
        number=f"X{row.pk}", now=now,
    )  # fmt: skip
    if sale is not None:
        _write_lines(row, sale, found, gone_no=done.gone_no, new_no=done.new_no)
        pieces_come_back(sale, [old_sku] if old_sku else [])
    subject = f"exchange:{row.pk}"
    if old_sku is not None:
        catalogue.returned(
            row.store, [(old_sku, row.quantity)], subject=subject, key=f"{subject}:in", now=now, actor=actor
        )
    catalogue.sold(
        row.store, [(row.sku, row.quantity)], subject=subject, key=f"{subject}:out", now=now, actor=actor, member=order.member
    )  # fmt: skip
    row.move_to(State.DONE, ended_at=now, new_line_no=done.new_no, expires_at=None)
    if row.refund is not None:
        row.refund.state = SaleRefund.State.PAYING if waits else SaleRefund.State.DONE
        row.refund.done_at = None if waits else now
        row.refund.save(update_fields=["state", "done_at"])
    audit.record(
        actor, "exchange.done", row,
        after={"order": order.pk, "sku": row.sku.code, "quantity": row.quantity, "difference_fen": row.difference_fen},
    )  # fmt: skip
    return row


def _give_back(row: Exchange, sale: Sale, found: ExchangeQuote, *, actor: Actor, now: datetime) -> bool:
    books_must_balance()
    assert row.refund is not None
    return pay_back(row.refund, sale, wallet_fen=found.wallet_fen, other_fen=found.other_fen, actor=actor, now=now)


def _write_lines(row: Exchange, sale: Sale, found: ExchangeQuote, *, gone_no: int, new_no: int) -> None:
    """Bring the lines of the sale to what counts from now on; the totals stay those of the day it was sold."""
    lines = {line.line_no: line for line in SaleLine.objects.filter(sale=sale)}
    old = lines[row.line_no]
    card = sum(
        row.payments.filter(way=Way.WALLET, state=SalePayment.State.SETTLED).values_list("amount_fen", flat=True)
    )
    after = place_on_card(found.swap.lines, card)
    is_parted = gone_no != row.line_no
    gone = (
        SaleLine(sale=sale, line_no=gone_no, sku_id=old.sku_id, quantity=row.quantity, exchange_id=old.exchange_id)
        if is_parted
        else old
    )
    parts = (old.principal_fen, old.gift_fen)
    _set(gone, found.swap.given, parts=parts)
    gone.replaced_by_no, gone.is_gift = new_no, old.is_gift
    gone.save()
    for shares in after:
        if shares.line_no == NEW:
            line = SaleLine(sale=sale, line_no=new_no, sku=row.sku, quantity=row.quantity, exchange=row)
        else:
            line = lines[shares.line_no]
        is_own = line.principal_fen + line.gift_fen > 0 and line is not old
        _set(line, shares, parts=(line.principal_fen, line.gift_fen) if is_own else parts)
        line.quantity, line.is_gift = shares.quantity, shares.is_gift
        line.save()
    terms = _terms(sale, found, row.line_no, new_no)
    Sale.objects.filter(pk=sale.pk).update(exchanged_fen=F("exchanged_fen") + row.difference_fen, terms=terms)


def _set(line: SaleLine, shares: Sold, *, parts: tuple[int, int]) -> None:
    """Write the shares of a line; of what the card paid the gift keeps its proportion (`parts`: principal and gift it had)."""
    had, gift = sum(parts), parts[1]
    line.tag_fen, line.item_off_fen, line.order_off_fen = shares.tag_fen, shares.item_off_fen, shares.order_off_fen
    line.coupon_fen, line.points_fen, line.paid_fen = shares.coupon_fen, shares.points_fen, shares.paid_fen
    line.gift_fen = shares.wallet_fen * gift // had if had else 0
    line.principal_fen = shares.wallet_fen - line.gift_fen


def _terms(sale: Sale, found: ExchangeQuote, line_no: int, new_no: int) -> dict[str, object]:
    """Return on what the discounts depend, with the new line among those they cover where they are for it."""
    terms = dict(sale.terms)
    piece = found.piece
    is_in = {
        "offer": piece.is_in_offer if piece else None,
        "coupon": piece.is_in_coupon if piece else None,
        "gift": piece.is_in_gift if piece else None,
    }
    for name, covers_it in is_in.items():
        rule = terms.get(name)
        if rule is None or rule["covers"] is None:
            continue
        if covers_it or (covers_it is None and line_no in rule["covers"]):
            terms[name] = rule | {"covers": sorted({*rule["covers"], new_no})}
    final = set(terms.get("final", ()))
    if found.is_final or (piece is None and line_no in final):
        terms["final"] = sorted(final | {new_no})
    return terms
