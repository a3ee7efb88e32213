"""What a basket costs, in the one order of models.yaml `checkout_order`. Pure: no database, no clock, integer fen.

    quote = price(Basket(items=(Item(1, 69800), Item(2, 29800)), coupon=Off("coupon", amount_fen=10000), points=5000))
    [line.paid_fen for line in quote.lines] == [59288, 25312]

1 tag price, then the price of one piece (单品促销), then 满减 and 满赠 on the order; 2 one coupon; 3 points; 4 stored value; 5 what
is left is due. Who may use what is settled before: a rule says by line numbers what it covers. Till, proxy order and mall
price with this and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from crm.benefits import rules
from crm.wallet.shares import split_spend


@dataclass(frozen=True, slots=True)
class Item:
    """A line of the basket. `tag_fen` and `price_fen` (today's price, where it is not the tag's) are of one piece."""

    line_no: int
    tag_fen: int
    quantity: int = 1
    price_fen: int | None = None
    is_gift: bool = False  # comes with a 满赠 and costs nothing


@dataclass(frozen=True, slots=True)
class Off:
    """A discount on several lines together: a 满减, or a coupon. `covers` None: all lines.

    `steps` are (threshold, amount off), rising; a plain amount or percent has one threshold. `percent` is what is taken off.
    """

    key: str
    threshold_fen: int = 0
    amount_fen: int = 0
    percent: int = 0
    most_fen: int = 0  # of a percentage; 0: as much as it makes
    steps: tuple[tuple[int, int], ...] = ()
    covers: frozenset[int] | None = None

    def reach(self, base_fen: int) -> int:
        """Return the threshold that an amount reaches, -1 for none."""
        reached = [threshold for threshold, _ in self.ladder if base_fen >= threshold]
        return max(reached, default=-1)

    def off(self, base_fen: int) -> int:
        """Return what is taken off an amount, never more than the amount."""
        if self.percent:
            made = base_fen * self.percent // 100 if base_fen >= self.threshold_fen else 0
            return min(made, self.most_fen) if self.most_fen else made
        return min(base_fen, max((off for threshold, off in self.ladder if base_fen >= threshold), default=0))

    @property
    def ladder(self) -> tuple[tuple[int, int], ...]:
        return self.steps or ((self.threshold_fen, self.amount_fen),)

    def is_on(self, line_no: int) -> bool:
        return self.covers is None or line_no in self.covers


@dataclass(frozen=True, slots=True)
class Basket:
    """What is to be priced. `offers` are the 满减 that hold; the one that saves most counts, they do not add up."""

    items: tuple[Item, ...]
    offers: tuple[Off, ...] = ()
    coupon: Off | None = None
    points: int = 0  # wanted
    points_usable: int | None = None  # None: whatever is wanted
    principal_fen: int = 0  # what the card holds
    gift_fen: int = 0
    wallet_fen: int | None = 0  # how much of it is wanted; None: as much as goes


@dataclass(frozen=True, slots=True)
class QuoteLine:
    """One line with its share of everything. `tag_fen` is of all its pieces, as all amounts here."""

    line_no: int
    quantity: int
    tag_fen: int
    item_off_fen: int
    order_off_fen: int
    coupon_fen: int
    points_fen: int
    principal_fen: int
    gift_fen: int
    is_gift: bool = False

    @property
    def promotion_fen(self) -> int:
        return self.item_off_fen + self.order_off_fen

    @property
    def paid_fen(self) -> int:
        """Return what he pays for the line, by card, cash or otherwise: the amount of the order."""
        return self.tag_fen - self.promotion_fen - self.coupon_fen - self.points_fen

    @property
    def due_fen(self) -> int:
        return self.paid_fen - self.principal_fen - self.gift_fen


@dataclass(frozen=True, slots=True)
class Quote:
    lines: tuple[QuoteLine, ...]
    offer: Off | None  # the 满减 that counts
    coupon: Off | None  # None too where the one chosen does not reach its threshold
    points: int
    points_most: int  # as many could be used

    def total(self, name: str) -> int:
        """Return the sum of a part over all lines: `quote.total("coupon_fen")`."""
        return sum(getattr(line, name) for line in self.lines)

    @property
    def tag_fen(self) -> int:
        return self.total("tag_fen")

    @property
    def promotion_fen(self) -> int:
        return self.total("promotion_fen")

    @property
    def coupon_fen(self) -> int:
        return self.total("coupon_fen")

    @property
    def points_fen(self) -> int:
        return self.total("points_fen")

    @property
    def principal_fen(self) -> int:
        return self.total("principal_fen")

    @property
    def gift_fen(self) -> int:
        return self.total("gift_fen")

    @property
    def wallet_fen(self) -> int:
        return self.principal_fen + self.gift_fen

    @property
    def paid_fen(self) -> int:
        return self.total("paid_fen")

    @property
    def due_fen(self) -> int:
        return self.total("due_fen")

    @property
    def saved_fen(self) -> int:
        return self.promotion_fen + self.coupon_fen + self.points_fen

    @property
    def quantity(self) -> int:
        return sum(line.quantity for line in self.lines)


def price(basket: Basket) -> Quote:
    """Return what a basket costs. What cannot be used is left out (a coupon below its threshold, points beyond 20 %)."""
    items = basket.items
    tags = [item.tag_fen * item.quantity for item in items]
    prices = [_price_of(item) for item in items]
    offer, order_off = _best_offer(items, prices, basket.offers)
    after_offers = _less(prices, order_off)
    coupon, coupon_off = _coupon(items, after_offers, basket.coupon)
    after_coupon = _less(after_offers, coupon_off)
    usable = basket.points if basket.points_usable is None else basket.points_usable
    most = rules.most_points(usable, amount_fen=sum(after_coupon))
    points = min(basket.points // rules.STEP * rules.STEP, most)
    points_off = spread(rules.points_worth_fen(points), after_coupon)
    paid = _less(after_coupon, points_off)
    held = basket.principal_fen + basket.gift_fen
    wallet = min(sum(paid), held, held if basket.wallet_fen is None else basket.wallet_fen)
    wallets = spread(wallet, paid)
    parts = split_spend(wallet, principal_fen=basket.principal_fen, gift_fen=basket.gift_fen)
    gifts = spread(parts.gift_fen, wallets)
    lines = tuple(
        QuoteLine(
            line_no=item.line_no,
            quantity=item.quantity,
            tag_fen=tags[n],
            item_off_fen=tags[n] - prices[n],
            order_off_fen=order_off[n],
            coupon_fen=coupon_off[n],
            points_fen=points_off[n],
            principal_fen=wallets[n] - gifts[n],
            gift_fen=gifts[n],
            is_gift=item.is_gift,
        )
        for n, item in enumerate(items)
    )
    return Quote(lines, offer, coupon, points, most)


def spread(total: int, amounts: Sequence[int]) -> list[int]:
    """Return a total in shares by amount: each floored to the fen, the last line with an amount takes the rest.

    No share is larger than its amount: what does not fit on the last line (a piece for some fen behind many others) goes to
    those before it. Raises ValueError for a total above the sum.
    """
    whole = sum(amounts)
    if not 0 <= total <= whole:
        raise ValueError(f"{total} cannot be spread over {whole}")
    if not total:
        return [0] * len(amounts)
    shares = [total * amount // whole for amount in amounts]
    rest = total - sum(shares)
    for n in reversed(range(len(amounts))):
        more = min(rest, amounts[n] - shares[n])
        shares[n] += more
        rest -= more
    return shares


def _price_of(item: Item) -> int:
    if item.is_gift:
        return 0
    price_fen = item.tag_fen if item.price_fen is None else max(0, min(item.tag_fen, item.price_fen))
    return price_fen * item.quantity


def _best_offer(items: Sequence[Item], prices: Sequence[int], offers: Iterable[Off]) -> tuple[Off | None, list[int]]:
    """Return the offer that saves most and its shares; of two alike the first."""
    best: Off | None = None
    most = 0
    for offer in offers:
        saved = offer.off(sum(_covered(items, prices, offer)))
        if saved > most:
            best, most = offer, saved
    return best, spread(most, _covered(items, prices, best)) if best else [0] * len(items)


def _coupon(items: Sequence[Item], amounts: Sequence[int], coupon: Off | None) -> tuple[Off | None, list[int]]:
    if coupon is None:
        return None, [0] * len(items)
    covered = _covered(items, amounts, coupon)
    off = coupon.off(sum(covered))
    return (coupon, spread(off, covered)) if off else (None, [0] * len(items))


def _covered(items: Sequence[Item], amounts: Sequence[int], rule: Off) -> list[int]:
    return [amount if rule.is_on(item.line_no) else 0 for item, amount in zip(items, amounts, strict=True)]


def _less(amounts: Sequence[int], offs: Sequence[int]) -> list[int]:
    return [amount - off for amount, off in zip(amounts, offs, strict=True)]
