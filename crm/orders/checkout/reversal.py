"""What comes back for goods that come back: aftersale.yaml `reversal`, to the fen. Pure, as the engine is.

A return is worth what he paid less what he would have paid for what he keeps. For most returns that is the piece's own
share. Where what he keeps no longer reaches the threshold of the 满减 or the coupon, the pieces he keeps lose it, and a 满赠
he keeps is charged. All counted from the first return on, so that any order and any split ends at what he paid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .engine import Off, spread


@dataclass(frozen=True, slots=True)
class Sold:
    """A line as it was sold, and how many of it came back before."""

    line_no: int
    quantity: int
    tag_fen: int
    item_off_fen: int = 0
    order_off_fen: int = 0
    coupon_fen: int = 0
    points_fen: int = 0
    wallet_fen: int = 0
    is_gift: bool = False
    returned: int = 0

    @property
    def paid_fen(self) -> int:
        return self.tag_fen - self.item_off_fen - self.order_off_fen - self.coupon_fen - self.points_fen

    def kept(self, amount_fen: int, returned: int) -> int:
        """Return the part of an amount that stays with the pieces kept: those that go take the floor, the last takes the rest."""
        return amount_fen - amount_fen * returned // self.quantity


@dataclass(frozen=True, slots=True)
class Terms:
    """On what the discounts depended. Thresholds are those that were reached; `gifts_fen` is for what a 满赠 asked."""

    offer: Off | None = None
    offer_threshold_fen: int = 0
    coupon: Off | None = None
    gift: Off | None = None


@dataclass(frozen=True, slots=True)
class Before:
    """What earlier returns gave back in all: what the lines were paid with, less what of it is still with us."""

    amount_fen: int = 0
    wallet_fen: int = 0
    points: int = 0


@dataclass(frozen=True, slots=True)
class Back:
    """What one return gives back. `lines` are (line_no, quantity, refund_fen)."""

    lines: tuple[tuple[int, int, int], ...]
    amount_fen: int
    wallet_fen: int  # to the card, principal and gift in the proportion they were used
    other_fen: int  # the way it was paid
    points: int  # those he had used
    share_fen: int  # of the pieces, before a threshold that no longer holds or a gift that is kept took from it
    gift_charge_fen: int  # for a 满赠 that he keeps without its condition
    is_full: bool  # nothing is left with him

    @property
    def withheld_fen(self) -> int:
        """Return what is kept of their share; nothing where what an earlier return kept comes back with them."""
        return max(0, self.share_fen - self.amount_fen)


class NothingLeft(ValueError):
    """More pieces than he still has. The argument is the line."""


def give_back(lines: Sequence[Sold], pieces: Mapping[int, int], terms: Terms, before: Before) -> Back:
    """Return what `pieces` (line_no -> quantity) give back after what came back before. Raises NothingLeft."""
    known = {line.line_no: line for line in lines}
    for line_no, quantity in pieces.items():
        line = known.get(line_no)
        if line is None or not 0 < quantity <= line.quantity - line.returned:
            raise NothingLeft(line_no)
    after = {line.line_no: line.returned + pieces.get(line.line_no, 0) for line in lines}
    paid = sum(line.paid_fen for line in lines)
    worth, charge = worth_of_the_kept(lines, after, terms)
    amount = max(0, paid - worth - before.amount_fen)
    wallet_share = sum(line.wallet_fen - line.kept(line.wallet_fen, after[line.line_no]) for line in lines)
    wallet = max(0, min(amount, wallet_share - before.wallet_fen))
    points_share = sum(line.points_fen - line.kept(line.points_fen, after[line.line_no]) for line in lines)
    shares = {number: _share(known[number], quantity) for number, quantity in pieces.items()}
    share = sum(shares.values())
    if amount <= share:
        refunds = spread(amount, list(shares.values()))
    else:  # what an earlier return withheld comes with these
        refunds = [part + (amount - share if n == 0 else 0) for n, part in enumerate(shares.values())]
    return Back(
        lines=tuple((number, pieces[number], fen) for number, fen in zip(shares, refunds, strict=True)),
        amount_fen=amount,
        wallet_fen=wallet,
        other_fen=amount - wallet,
        points=points_share - before.points,
        share_fen=share,
        gift_charge_fen=charge,
        is_full=all(after[line.line_no] == line.quantity for line in lines),
    )


def _share(line: Sold, quantity: int) -> int:
    """Return what the next pieces of a line were paid with."""
    return line.kept(line.paid_fen, line.returned) - line.kept(line.paid_fen, line.returned + quantity)


def worth_of_the_kept(lines: Sequence[Sold], after: Mapping[int, int], terms: Terms) -> tuple[int, int]:
    """Return what he would have paid for what he keeps, and what of it is the charge for a gift he keeps."""
    if all(after[line.line_no] == line.quantity for line in lines):
        return 0, 0
    worth = sum(line.kept(line.paid_fen, after[line.line_no]) for line in lines)
    lost = losses(lines, after, terms)
    return worth + lost.offer_fen + lost.coupon_fen + lost.charge_fen, lost.charge_fen


@dataclass(frozen=True, slots=True)
class Losses:
    """What the pieces that are kept no longer have: of the 满减, of the coupon, and the price of a 满赠."""

    offer_fen: int = 0
    coupon_fen: int = 0
    charge_fen: int = 0


def losses(lines: Sequence[Sold], after: Mapping[int, int], terms: Terms) -> Losses:
    """Return what is lost because what is kept (`after`: pieces gone by line) no longer reaches a threshold."""
    base = {line.line_no: line.kept(line.tag_fen - line.item_off_fen, after[line.line_no]) for line in lines}
    order_off = {line.line_no: line.kept(line.order_off_fen, after[line.line_no]) for line in lines}
    offer = coupon = charge = 0
    if terms.offer:
        covered = _sum(base, terms.offer)
        if covered < terms.offer_threshold_fen:
            offer = _lost(sum(order_off.values()), terms.offer.off(covered))
    if terms.coupon:
        # By the shares of the offer as they were: one threshold does not go with the other.
        covered = _sum({number: fen - order_off[number] for number, fen in base.items()}, terms.coupon)
        if covered < terms.coupon.threshold_fen:
            coupon_off = sum(line.kept(line.coupon_fen, after[line.line_no]) for line in lines)
            coupon = _lost(coupon_off, terms.coupon.off(covered))
    if terms.gift and _sum(base, terms.gift) < terms.gift.threshold_fen:
        charge = sum(line.kept(line.tag_fen, after[line.line_no]) for line in lines if line.is_gift)
    return Losses(offer, coupon, charge)


def _lost(had_fen: int, has_fen: int) -> int:
    """Return what a discount gave the pieces that are kept and gives them no longer."""
    return max(0, had_fen - has_fen)


def _sum(amounts: Mapping[int, int], rule: Off) -> int:
    return sum(amount for line_no, amount in amounts.items() if rule.is_on(line_no))


def pieces_of(lines: Iterable[Sold]) -> dict[int, int]:
    """Return all that is left of an order."""
    return {line.line_no: line.quantity - line.returned for line in lines if line.quantity > line.returned}
