"""What pricing, pages and refunds need to know of a sale: read once, in a few statements."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Sum

from crm.benefits import services as benefits
from crm.benefits.models import Coupon, PointsLot
from crm.benefits.services import Choice, LineFacts
from crm.catalogue.models import Sku, StyleColor
from crm.catalogue.queries import available, price_of
from crm.catalogue.stock_models import Reservation
from crm.members.models import Member
from crm.orders.models import Order, OrderChange, OrderLine
from crm.wallet import services as wallet
from guides.org.models import Store

from .engine import Basket, Item, Off, Quote, price
from .models import Exchange, Promotion, Sale, SaleLine, SalePayment, SaleRefund
from .reversal import Back, Before, Sold, Terms, give_back


@dataclass(frozen=True)
class Means:
    """What a member may pay with besides money."""

    points: int = 0
    principal_fen: int = 0
    gift_fen: int = 0
    is_frozen: bool = False

    @property
    def wallet_fen(self) -> int:
        return 0 if self.is_frozen else self.principal_fen + self.gift_fen


@dataclass(frozen=True)
class Priced:
    """A sale with what it costs: the rows of the basket beside their lines of the quote."""

    sale: Sale
    rows: tuple[tuple[SaleLine, Any], ...]
    quote: Quote
    means: Means
    offers: dict[str, str] = field(default_factory=dict)  # key -> name of the promotions that hold
    price_names: dict[int, str] = field(default_factory=dict)  # line -> why it costs less than its tag
    final: frozenset[int] = frozenset()  # lines that do not come back: their price said so
    coupon_why_not: str = ""  # the one that was chosen
    gift: Promotion | None = None  # the 满赠 whose condition holds

    @property
    def lines(self) -> list[SaleLine]:
        return [line for line, _ in self.rows]

    @property
    def offer_name(self) -> str:
        return self.offers.get(self.quote.offer.key, "") if self.quote.offer else ""


def lines_of(sale: Sale) -> list[SaleLine]:
    """Return the lines as they were sold; what came by an exchange is no part of that day."""
    rows = SaleLine.objects.filter(sale=sale, exchange=None)
    return list(rows.select_related("sku__style").order_by("line_no"))


def means_of(member: Member | None, *, now: datetime) -> Means:
    """Return points and card of a member; nothing for a passer-by."""
    if member is None:
        return Means()
    balance = wallet.balance_of(member)
    usable = benefits.points_of(member, now=now).usable
    return Means(usable, balance.principal_fen, balance.gift_fen, balance.is_frozen)


def priced(sale: Sale, *, now: datetime, lines: Sequence[SaleLine] | None = None) -> Priced:
    """Return what a sale costs at this moment, or at that of the offer its member has in hand."""
    at = sale.priced_at or now
    rows = lines_of(sale) if lines is None else list(lines)
    promotions = promotions_for(sale.store, sale.member, at=at)
    items, price_names, final = items_of(rows, sale.store, promotions, at=at)
    offers = tuple(_offer(one, rows) for one in promotions if one.kind == Promotion.Kind.ORDER)
    means = means_of(sale.member, now=now)
    coupon, why_not = _chosen_coupon(sale, rows, items, offers)
    quote = price(
        Basket(
            items=tuple(items),
            offers=offers,
            coupon=coupon,
            points=sale.points_wanted if sale.member_id else 0,
            points_usable=means.points,
            principal_fen=0 if means.is_frozen else means.principal_fen,
            gift_fen=0 if means.is_frozen else means.gift_fen,
            wallet_fen=sale.wallet_wanted_fen if sale.member_id else 0,
        )
    )
    return Priced(
        sale=sale,
        rows=tuple(zip(rows, quote.lines, strict=True)),
        quote=quote,
        means=means,
        offers={f"promotion:{one.pk}": one.name for one in promotions},
        price_names=price_names,
        final=final,
        coupon_why_not=why_not,
        gift=gift_for(items, rows, promotions),
    )


def on_hand(sale: Sale, skus: Collection[int], *, now: datetime) -> dict[int, int]:
    """Return by size how many pieces the store could sell its member: what nobody was promised, and what is kept for him."""
    free = available(list(skus), [sale.store_id], now=now)
    kept = Reservation.objects.holding().filter(store=sale.store_id, member=sale.member_id, until__gt=now)
    promised = dict(kept.filter(sku__in=skus).values_list("sku_id").annotate(pieces=Sum("quantity")))
    return {sku: free.get((sale.store_id, sku), 0) + promised.get(sku, 0) for sku in skus}


# ---------------------------------------------------------------- promotions


def promotions_for(store: Store, member: Member | None, *, at: datetime) -> list[Promotion]:
    """Return the promotions that hold in a store at a moment for whom it is sold to."""
    path = store.unit.path or ""
    found = Promotion.objects.in_force(at).select_related("unit", "gift_sku__style").order_by("pk")
    return [one for one in found if _is_in(one, path) and _is_for(one, member)]


def _is_in(promotion: Promotion, path: str) -> bool:
    return promotion.unit is None or path.startswith(promotion.unit.path or "-")


def _is_for(promotion: Promotion, member: Member | None) -> bool:
    if promotion.levels:
        return member is not None and member.member_level in promotion.levels
    return member is not None or not promotion.members_only


def covers(promotion: Promotion, style: StyleColor) -> bool:
    """Tell whether a promotion is about a style; one that names nothing is about all."""
    if not promotion.styles and not promotion.categories:
        return True
    return style.style_no in promotion.styles or style.category_l1 in promotion.categories


def items_of(
    rows: Sequence[SaleLine], store: Store, promotions: Sequence[Promotion], *, at: datetime
) -> tuple[list[Item], dict[int, str], frozenset[int]]:
    """Return the items as the engine takes them, by line the name of what made it cheaper (the lowest price counts), and the
    lines whose price says that they do not come back."""
    if not rows:
        return [], {}, frozenset()
    costs = price_of([row.sku_id for row in rows], store=store, at=at)
    items, names, final = [], {}, set()
    for row in rows:
        cost = costs[row.sku_id]
        lowest, name, is_final = cost.fen, cost.promotion, False
        for one in promotions:
            if covers(one, row.sku.style) and (fen := _item_price(one, cost.tag_fen)) < lowest:
                lowest, name, is_final = fen, one.name, one.is_final
        if name and not row.is_gift:
            names[row.line_no] = name
        if is_final:
            final.add(row.line_no)
        items.append(Item(row.line_no, cost.tag_fen, row.quantity, lowest, row.is_gift))
    return items, names, frozenset(final)


def _item_price(promotion: Promotion, tag_fen: int) -> int:
    if promotion.kind != Promotion.Kind.ITEM:
        return tag_fen
    if promotion.price_fen is not None:
        return promotion.price_fen
    return tag_fen - tag_fen * promotion.percent // 100


def _offer(promotion: Promotion, rows: Sequence[SaleLine]) -> Off:
    steps = tuple((int(threshold), int(off)) for threshold, off in promotion.steps)
    return Off(f"promotion:{promotion.pk}", steps=steps, covers=_covered(promotion, rows))


def _covered(promotion: Promotion, rows: Sequence[SaleLine]) -> frozenset[int] | None:
    if not promotion.styles and not promotion.categories:
        return None
    return frozenset(row.line_no for row in rows if covers(promotion, row.sku.style))


def gift_for(items: Sequence[Item], rows: Sequence[SaleLine], promotions: Sequence[Promotion]) -> Promotion | None:
    """Return the 满赠 of the highest threshold that the basket reaches, counted after the prices of single items."""
    best: Promotion | None = None
    for one in promotions:
        if one.kind != Promotion.Kind.GIFT:
            continue
        about = _covered(one, rows)
        base = sum(
            (item.price_fen if item.price_fen is not None else item.tag_fen) * item.quantity
            for item in items
            if not item.is_gift and (about is None or item.line_no in about)
        )
        if base >= one.threshold_fen and (best is None or one.threshold_fen > best.threshold_fen):
            best = one
    return best


# ---------------------------------------------------------------- coupons


def line_facts(rows: Sequence[SaleLine], quote: Quote) -> list[LineFacts]:
    """Return the lines as coupons see them: after promotions. Gifts are nothing a coupon could be for."""
    return [
        LineFacts(
            amount_fen=line.tag_fen - line.promotion_fen,
            style_code=row.sku.style.sku_code,
            categories=(row.sku.style.category_l1, row.sku.style.category_l2),
            is_promoted=line.item_off_fen > 0,
        )
        for row, line in zip(rows, quote.lines, strict=True)
    ]


def coupon_choices(found: Priced, *, now: datetime) -> list[Choice]:
    """Return the coupons of the member for this basket, the best first, the others with the reason."""
    sale = found.sale
    if sale.member is None or not found.rows:
        return []
    return benefits.usable(sale.member, line_facts(found.lines, found.quote), channel=sale.channel, now=now)


def _chosen_coupon(
    sale: Sale, rows: Sequence[SaleLine], items: Sequence[Item], offers: Sequence[Off]
) -> tuple[Off | None, str]:
    """Return the chosen coupon as the engine takes it, or the reason why it cannot be used on this."""
    if not sale.coupon_id or sale.member is None or not rows:
        return None, ""
    rule = benefits.coupon_rule(Coupon.objects.with_terms().get(pk=sale.coupon_id))
    facts = line_facts(rows, price(Basket(tuple(items), tuple(offers))))
    if why_not := rule.why_not(facts, level=sale.member.member_level, channel=sale.channel):
        return None, why_not
    return Off(
        f"coupon:{sale.coupon_id}",
        threshold_fen=rule.threshold_fen,
        amount_fen=rule.amount_fen or 0,
        percent=rule.percent_off or 0,
        most_fen=rule.cap_fen or 0,
        covers=frozenset(row.line_no for row, fact in zip(rows, facts, strict=True) if rule.covers(fact)),
    ), ""


# ---------------------------------------------------------------- the receipt


def receipt_of(sale: Sale) -> dict[str, Any]:
    """Return what a receipt says: goods, what came off, how it was paid, what it earned, what came back or was exchanged. Seven statements."""
    lines = lines_of(sale)
    refunds = list(sale.refunds.exclude(state=SaleRefund.State.REFUSED).order_by("pk"))
    lot = PointsLot.objects.filter(subject=f"order:{sale.order_id}").values_list("earned_points", "usable_from").first()
    return {
        "sale": sale,
        "lines": lines,
        "quantity": sum(line.quantity for line in lines),
        "offer_name": sale.terms.get("offer", {}).get("name", ""),
        "payments": list(sale.payments.filter(state=SalePayment.State.SETTLED, exchange=None).order_by("pk")),
        "earned": lot[0] if lot else 0,
        "usable_from": lot[1] if lot else None,
        "refunds": refunds,
        "not_got_fen": sum(one.given_up_fen for one in refunds),
        "exchanges": list(sale.exchanges.filter(state=Exchange.State.DONE).select_related("sku__style").order_by("pk")),
        "saved_fen": sale.promotion_fen + sale.coupon_fen + sale.points_fen,
    }


# ---------------------------------------------------------------- refunds


def reckon_return(order: Order, sale: Sale | None, pieces: Mapping[int, int]) -> Back:
    """Return what pieces of an order (line -> quantity) are worth today. Raises NothingLeft.

    Of an order of the feed nothing is known but what each line was paid with; the money goes back at the till that took it.
    """
    lines = sold_lines(order, sale)
    return give_back(lines, pieces, terms_of(sale) if sale else Terms(), gone_before(order, sale, lines))


def gone_before(order: Order, sale: Sale | None, lines: Sequence[Sold]) -> Before:
    """Return what of an order came back already: what its lines came to, less what of it is with us.

    Returns gave it back, and exchanges kept some or let some go.
    """
    if sale is None:
        return Before(order.refunded_fen - _given_back_by_exchanges(order))
    paid_back = sale.refunds.filter(
        state__in=[SaleRefund.State.PAYING, SaleRefund.State.DONE], reason__in=SaleRefund.RETURNS
    ).aggregate(wallet=Sum("wallet_fen"), points=Sum("points_back"))
    gone = sum(line.paid_fen for line in lines) - (order.paid_fen - order.refunded_fen)
    return Before(gone, paid_back["wallet"] or 0, paid_back["points"] or 0)


def _given_back_by_exchanges(order: Order) -> int:
    """Return what exchanges of an order of the feed gave back: its lines cost so much less already."""
    exchanges = OrderChange.objects.filter(order=order, kind=OrderChange.Kind.EXCHANGE)
    return exchanges.aggregate(fen=Sum("refund_fen"))["fen"] or 0


def skus_of_lines(order: Order, sale: Sale | None) -> dict[int, int]:
    """Return the sizes of an order's lines by line; of a feed those whose code and size the catalogue knows."""
    if sale is not None:
        return dict(SaleLine.objects.filter(sale=sale).values_list("line_no", "sku_id"))
    lines = OrderLine.objects.filter(order=order)
    known = Sku.objects.filter(style__sku_code__in=lines.values("sku_code")).select_related("style")
    by_name = {(sku.style.sku_code, sku.size): sku.pk for sku in known}
    found = {line.line_no: by_name.get((line.sku_code, line.size)) for line in lines}
    return {line_no: sku_id for line_no, sku_id in found.items() if sku_id}


def sold_lines(order: Order, sale: Sale | None) -> list[Sold]:
    """Return the lines of an order that count, as they were sold; what was exchanged away does not."""
    rows = list(OrderLine.objects.filter(order=order, replaced_by=None).order_by("line_no"))
    if sale is None:
        return [Sold(row.line_no, row.quantity, row.paid_fen, returned=row.returned_quantity) for row in rows]
    returned = {row.line_no: row.returned_quantity for row in rows}
    return [
        Sold(
            line_no=line.line_no,
            quantity=line.quantity,
            tag_fen=line.tag_fen,
            item_off_fen=line.item_off_fen,
            order_off_fen=line.order_off_fen,
            coupon_fen=line.coupon_fen,
            points_fen=line.points_fen,
            wallet_fen=line.principal_fen + line.gift_fen,
            is_gift=line.is_gift,
            returned=returned.get(line.line_no, 0),
        )
        for line in SaleLine.objects.filter(sale=sale, replaced_by_no=None).order_by("line_no")
    ]


def terms_to_keep(priced: Priced) -> dict[str, Any]:
    """Return on what the discounts of a sale depend, for the day something comes back."""
    kept: dict[str, Any] = {}
    quote = priced.quote
    if quote.offer:
        base = sum(line.tag_fen - line.item_off_fen for line in quote.lines if quote.offer.is_on(line.line_no))
        kept["offer"] = _kept(quote.offer) | {"reached_fen": quote.offer.reach(base), "name": priced.offer_name}
    if quote.coupon:
        kept["coupon"] = _kept(quote.coupon)
    if priced.gift and any(line.is_gift for line in quote.lines):
        about = _covered(priced.gift, priced.lines)
        kept["gift"] = _kept(Off(f"promotion:{priced.gift.pk}", threshold_fen=priced.gift.threshold_fen, covers=about))
    if priced.final:
        kept["final"] = sorted(priced.final)
    return kept


def terms_of(sale: Sale) -> Terms:
    """Return what `terms_to_keep` kept."""
    kept = sale.terms
    return Terms(
        offer=_off(kept.get("offer")),
        offer_threshold_fen=kept.get("offer", {}).get("reached_fen", 0),
        coupon=_off(kept.get("coupon")),
        gift=_off(kept.get("gift")),
    )


def _kept(rule: Off) -> dict[str, Any]:
    return {
        "key": rule.key,
        "threshold_fen": rule.threshold_fen,
        "amount_fen": rule.amount_fen,
        "percent": rule.percent,
        "most_fen": rule.most_fen,
        "steps": [list(step) for step in rule.steps],
        "covers": None if rule.covers is None else sorted(rule.covers),
    }


def _off(kept: dict[str, Any] | None) -> Off | None:
    if kept is None:
        return None
    about = kept["covers"]
    return Off(
        kept["key"],
        threshold_fen=kept["threshold_fen"],
        amount_fen=kept["amount_fen"],
        percent=kept["percent"],
        most_fen=kept["most_fen"],
        steps=tuple((threshold, off) for threshold, off in kept["steps"]),
        covers=None if about is None else frozenset(about),
    )
