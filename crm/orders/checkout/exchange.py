"""What an exchange costs: aftersale.yaml `exchange_rules`, to the fen. Pure, as engine and reversal are.

A piece of the same style keeps the price it was sold at. A piece of another style costs what it costs today; what came off
the order for the old one (满减, coupon, points) stays with the new one as far as it goes for it. The difference is what he
would have paid for what he keeps afterwards, less the same before: so a threshold that no longer holds is charged once, as
by a return, and whatever comes back later ends at what he paid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .engine import Off, spread
from .reversal import Before, NothingLeft, Sold, Terms, losses, worth_of_the_kept

NEW = 0  # the number of the new line until the order has given it one
NOTHING = Before()


@dataclass(frozen=True, slots=True)
class Piece:
    """What is taken instead: tag and price of one piece, and whether the order's 满减, coupon and 满赠 are for it, too."""

    tag_fen: int
    price_fen: int
    is_in_offer: bool = True
    is_in_coupon: bool = True
    is_in_gift: bool = True


@dataclass(frozen=True, slots=True)
class Swap:
    """One exchange. `lines` are those that count afterwards; the new one has the number NEW."""

    lines: tuple[Sold, ...]
    given: Sold  # the pieces that come in, as they were sold
    taken: Sold  # the pieces that go out
    difference_fen: int  # he pays; below 0 he gets back
    wallet_fen: int  # of what he gets back: to the card
    points: int  # used once for what is cheaper now: his again
    withheld_fen: int  # because a threshold no longer holds
    gift_charge_fen: int  # of that, for a 满赠 that he keeps

    @property
    def back_fen(self) -> int:
        return max(0, -self.difference_fen)

    @property
    def other_fen(self) -> int:
        """Return what goes back the way it was paid beside the card."""
        return self.back_fen - self.wallet_fen


def swap(
    lines: Sequence[Sold], line_no: int, quantity: int, piece: Piece | None, terms: Terms, gone: Before = NOTHING
) -> Swap:
    """Return what it means to take `piece` for some pieces of a line; None: one of the same style. Raises NothingLeft.

    `gone` is what came back before, as for a return.
    """
    old = next((line for line in lines if line.line_no == line_no), None)
    if old is None or not 0 < quantity <= old.quantity - old.returned:
        raise NothingLeft(line_no)
    given, rest = parted(old, quantity)
    others = [line for line in lines if line.line_no != line_no] + ([rest] if rest else [])
    if piece is None:
        taken = replace(given, line_no=NEW)
        return Swap((*others, taken), given, taken, 0, 0, 0, 0, 0)
    before, _charge = worth_of_the_kept(lines, _gone(lines), terms)
    taken = _in_its_place(given, piece, quantity)
    after, withheld, charge = _charged([*others, taken], covering(terms, NEW, piece))
    worth = sum(line.kept(line.paid_fen, line.returned) for line in after)
    # Never more than is with us: where a return gave back nothing, what it left him owing is not given back now.
    with_us = sum(line.paid_fen for line in lines) - gone.amount_fen
    difference = max(worth - before, -with_us)
    # The card's share of the piece, and more where the card would have paid more than all that stays with us.
    on_card = sum(line.wallet_fen for line in lines) - gone.wallet_fen
    card = min(max(0, -difference), max(given.wallet_fen, on_card - (with_us + difference)))
    placed = place_on_card(after, given.wallet_fen - card)
    return Swap(
        placed, given, next(line for line in placed if line.line_no == NEW), difference, card,
        given.points_fen - taken.points_fen, withheld, charge,
    )  # fmt: skip


def parted(line: Sold, quantity: int) -> tuple[Sold, Sold | None]:
    """Return some pieces of a line that are still his, and what is left of the line; None where that is nothing."""

    def part(amount_fen: int) -> int:
        return line.kept(amount_fen, line.returned) - line.kept(amount_fen, line.returned + quantity)

    shares: dict[str, Any] = {name: part(getattr(line, name)) for name in AMOUNTS}
    given = replace(line, quantity=quantity, returned=0, wallet_fen=0, **shares)
    if quantity == line.quantity:
        return replace(given, wallet_fen=line.wallet_fen), None
    left: dict[str, Any] = {name: getattr(line, name) - fen for name, fen in shares.items()}
    rest = replace(line, quantity=line.quantity - quantity, wallet_fen=0, **left)
    # The card pays no more of either than it costs, whatever the rounding.
    card = min(given.paid_fen, max(part(line.wallet_fen), line.wallet_fen - rest.paid_fen))
    return replace(given, wallet_fen=card), replace(rest, wallet_fen=line.wallet_fen - card)


AMOUNTS = ("tag_fen", "item_off_fen", "order_off_fen", "coupon_fen", "points_fen")


def covering(terms: Terms, line_no: int, piece: Piece) -> Terms:
    """Return the terms with a new line among those they cover, where they are for its style."""

    def more(rule: Off | None, is_in: bool) -> Off | None:
        if rule is None or rule.covers is None or not is_in:
            return rule
        return replace(rule, covers=rule.covers | {line_no})

    return replace(
        terms, offer=more(terms.offer, piece.is_in_offer), coupon=more(terms.coupon, piece.is_in_coupon),
        gift=more(terms.gift, piece.is_in_gift),
    )  # fmt: skip


def place_on_card(lines: Sequence[Sold], amount_fen: int) -> tuple[Sold, ...]:
    """Return the lines with so much more paid by card: on the new one as far as it goes, the rest on those he keeps.

    Below 0 it is so much less.
    """
    rank = sorted(lines, key=lambda line: (line.line_no != NEW, line.line_no))
    more: dict[int, int] = {}
    for line in rank:
        room = line.paid_fen - line.wallet_fen if line.quantity > line.returned else 0
        more[line.line_no] = max(min(amount_fen, max(0, room)), -line.wallet_fen)
        amount_fen -= more[line.line_no]
    return tuple(replace(line, wallet_fen=line.wallet_fen + more[line.line_no]) for line in lines)


def _in_its_place(given: Sold, piece: Piece, quantity: int) -> Sold:
    """Return the new line: at today's price, with what came off the order for the old one as far as it goes for this one."""
    price = piece.price_fen * quantity
    offer = min(given.order_off_fen if piece.is_in_offer else 0, price)
    coupon = min(given.coupon_fen if piece.is_in_coupon else 0, price - offer)
    points = min(given.points_fen, price - offer - coupon)
    return Sold(
        line_no=NEW, quantity=quantity, tag_fen=max(piece.tag_fen, piece.price_fen) * quantity,
        item_off_fen=max(0, piece.tag_fen - piece.price_fen) * quantity, order_off_fen=offer, coupon_fen=coupon, points_fen=points,
    )  # fmt: skip


def _charged(lines: list[Sold], terms: Terms) -> tuple[list[Sold], int, int]:
    """Return the lines without what no threshold gives them any more, how much that is, and what of it is for a gift."""
    lost = losses(lines, _gone(lines), terms)
    lines = _less(lines, "order_off_fen", lost.offer_fen)
    lines = _less(lines, "coupon_fen", lost.coupon_fen)
    if lost.charge_fen:  # it is bought now
        lines = [replace(line, item_off_fen=0, is_gift=False) if _is_kept_gift(line) else line for line in lines]
    return lines, lost.offer_fen + lost.coupon_fen + lost.charge_fen, lost.charge_fen


def _is_kept_gift(line: Sold) -> bool:
    return line.is_gift and line.returned < line.quantity


def _less(lines: list[Sold], name: str, lost_fen: int) -> list[Sold]:
    """Return the lines with less of one discount, taken from the pieces that are kept in proportion."""
    kept = [line.kept(getattr(line, name), line.returned) for line in lines]
    shares = spread(min(lost_fen, sum(kept)), kept)
    return [replace(line, **{name: getattr(line, name) - share}) for line, share in zip(lines, shares, strict=True)]


def _gone(lines: Sequence[Sold]) -> Mapping[int, int]:
    return {line.line_no: line.returned for line in lines}
