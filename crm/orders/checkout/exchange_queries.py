"""What an exchange would cost today: the rows of an order brought to the pure rules of exchange.py."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from crm.benefits import services as benefits
from crm.benefits.models import Coupon
from crm.benefits.services import LineFacts
from crm.catalogue.models import Sku, StyleColor
from crm.orders.models import Order, OrderLine
from guides.org.models import Store

from .engine import Off
from .exchange import Piece, Swap, swap
from .models import Promotion, Sale, SaleLine
from .queries import covers, gone_before, items_of, promotions_for, sold_lines, terms_of
from .reversal import Terms


@dataclass(frozen=True)
class ExchangeQuote:
    """What one exchange would mean. `piece` is None for one of the same style: it keeps the price it was sold at."""

    swap: Swap
    piece: Piece | None
    is_final: bool = False  # the price of what is taken says that it does not come back

    @property
    def price_fen(self) -> int:
        """Return what he pays for what he takes, all its pieces, before what came off the order."""
        return self.swap.taken.tag_fen - self.swap.taken.item_off_fen

    @property
    def worth_fen(self) -> int:
        """Return the same of what he gives."""
        return self.swap.given.tag_fen - self.swap.given.item_off_fen

    @property
    def difference_fen(self) -> int:
        """Return what he pays, below 0 what he gets back."""
        return self.swap.difference_fen

    @property
    def is_same_style(self) -> bool:
        return self.piece is None

    @property
    def wallet_fen(self) -> int:
        return self.swap.wallet_fen

    @property
    def other_fen(self) -> int:
        return self.swap.other_fen

    @property
    def withheld_fen(self) -> int:
        return self.swap.withheld_fen

    @property
    def gift_charge_fen(self) -> int:
        return self.swap.gift_charge_fen


def reckon_exchange(
    order: Order, sale: Sale | None, *, line_no: int, quantity: int, sku: Sku, store: Store, at: datetime
) -> ExchangeQuote:
    """Return what it costs to take pieces of `sku` for pieces of a line, at a store's prices of a moment. Raises NothingLeft.

    Of an order of the feed a piece is worth what its line was paid with.
    """
    lines, terms = sold_lines(order, sale), terms_of(sale) if sale else Terms()
    if is_same_style(order, line_no, sku):
        return ExchangeQuote(swap(lines, line_no, quantity, None, terms), None)
    row = SaleLine(line_no=0, sku=sku, quantity=1)
    (item,), _names, final = items_of([row], store, promotions_for(store, order.member, at=at), at=at)
    price_fen = item.tag_fen if item.price_fen is None else item.price_fen
    piece = Piece(
        item.tag_fen,
        price_fen,
        is_in_offer=_is_for(terms.offer, sku),
        is_in_coupon=_takes_coupon(sale, terms.coupon, sku, price_fen, is_promoted=price_fen < item.tag_fen),
        is_in_gift=_is_for(terms.gift, sku),
    )
    return ExchangeQuote(
        swap(lines, line_no, quantity, piece, terms, gone_before(order, sale, lines)), piece, bool(final)
    )


def is_same_style(order: Order, line_no: int, sku: Sku) -> bool:
    """Tell whether a size is one of the style a line was sold in, of any colour."""
    code = OrderLine.objects.filter(order=order, line_no=line_no).values_list("sku_code", flat=True).first()
    if not code:
        return False
    sold = StyleColor.objects.filter(sku_code=code).values_list("style_no", flat=True).first()
    return sku.style.sku_code == code or sku.style.style_no == sold


def sizes_taken(order: Order, line_no: int) -> int:
    """Return how often a piece was exchanged for another of its style before it became this line."""
    lines = {line.pk: line for line in OrderLine.objects.filter(order=order)}
    heirs = {line.replaced_by_id: line for line in lines.values() if line.replaced_by_id}
    styles = dict(
        StyleColor.objects.filter(sku_code__in={line.sku_code for line in lines.values()}).values_list(
            "sku_code", "style_no"
        )
    )
    one = next((line for line in lines.values() if line.line_no == line_no), None)
    count = 0
    while one is not None and (before := heirs.get(one.pk)) is not None:
        count += styles.get(before.sku_code, before.sku_code) == styles.get(one.sku_code, one.sku_code)
        one = before
    return count


def _is_for(rule: Off | None, sku: Sku) -> bool:
    """Tell whether a 满减 or 满赠 that a sale had is for a style, too."""
    if rule is None or rule.covers is None:
        return True
    kind, _colon, number = rule.key.partition(":")
    promotion = Promotion.objects.filter(pk=number).first() if kind == "promotion" else None
    return promotion is not None and covers(promotion, sku.style)


def _takes_coupon(sale: Sale | None, rule: Off | None, sku: Sku, price_fen: int, *, is_promoted: bool) -> bool:
    if sale is None or rule is None or sale.coupon_id is None:
        return True
    style = sku.style
    facts = LineFacts(
        amount_fen=price_fen, style_code=style.sku_code, categories=(style.category_l1, style.category_l2), is_promoted=is_promoted
    )  # fmt: skip
    return benefits.coupon_rule(Coupon.objects.with_terms().get(pk=sale.coupon_id)).covers(facts)
