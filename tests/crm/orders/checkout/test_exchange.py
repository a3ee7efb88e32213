"""What an exchange costs: pure, to the fen; and whatever came before, a return of all ends at what he paid."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crm.orders.checkout.engine import Basket, Item, Off, Quote, price
from crm.orders.checkout.exchange import NEW, Piece, Swap, parted, swap
from crm.orders.checkout.reversal import Before, NothingLeft, Sold, Terms, give_back, pieces_of


def sold(quote: Quote) -> list[Sold]:
    return [
        Sold(
            line.line_no, line.quantity, line.tag_fen, line.item_off_fen, line.order_off_fen, line.coupon_fen, line.points_fen,
            line.principal_fen + line.gift_fen, line.is_gift,
        )
        for line in quote.lines
    ]  # fmt: skip


SUIT, SHIRT = Item(1, 69800), Item(2, 39800)
FULL = Off("promotion:1", threshold_fen=100000, amount_fen=10000)
TERMS = Terms(offer=FULL, offer_threshold_fen=100000)


def test_another_style_costs_its_price_today_and_keeps_what_came_off_the_order() -> None:
    lines = sold(price(Basket((SUIT, SHIRT), coupon=Off("coupon:1", amount_fen=10000), points=5000)))
    found = swap(lines, 1, 1, Piece(89800, 89800), Terms(coupon=Off("coupon:1", amount_fen=10000)))
    assert (found.difference_fen, found.wallet_fen, found.points, found.withheld_fen) == (20000, 0, 0, 0)
    assert (found.taken.coupon_fen, found.taken.points_fen) == (lines[0].coupon_fen, lines[0].points_fen)
    assert found.taken.paid_fen == lines[0].paid_fen + 20000


def test_the_same_style_keeps_the_price_it_was_sold_at() -> None:
    lines = sold(price(Basket((Item(1, 69800, price_fen=48860), SHIRT))))
    found = swap(lines, 1, 1, None, Terms())
    assert (found.difference_fen, found.taken.paid_fen, found.taken.item_off_fen) == (0, 48860, 20940)


def test_a_threshold_that_no_longer_holds_is_charged_once() -> None:
    lines = sold(price(Basket((SUIT, SHIRT), offers=(FULL,))))
    found = swap(lines, 1, 1, Piece(29800, 29800), TERMS)
    assert (found.difference_fen, found.withheld_fen) == (
        -30000,
        10000,
    )  # 400 yuan cheaper, the 100 of the 满减 stay with us
    assert {line.line_no: line.paid_fen for line in found.lines} == {2: 39800, NEW: 29800}
    back = give_back(found.lines, {NEW: 1}, TERMS, Before())
    assert back.amount_fen == 29800


def test_a_dearer_piece_wins_a_threshold_back_that_a_return_had_lost() -> None:
    lines = sold(price(Basket((SUIT, SHIRT), offers=(FULL,))))
    first = give_back(lines, {2: 1}, TERMS, Before())
    assert (first.amount_fen, first.withheld_fen) == (29800, 6368)
    kept = [lines[0], Sold(**{name: getattr(lines[1], name) for name in Sold.__slots__} | {"returned": 1})]
    found = swap(kept, 1, 1, Piece(129800, 129800), TERMS)
    assert found.difference_fen == 60000 - 6368


def test_what_is_cheaper_goes_to_the_card_first() -> None:
    lines = sold(price(Basket((SUIT, SHIRT), principal_fen=50000, gift_fen=0, wallet_fen=None)))
    share = lines[0].wallet_fen
    found = swap(lines, 1, 1, Piece(29800, 29800), Terms())
    assert (found.back_fen, found.wallet_fen, found.other_fen) == (40000, share, 40000 - share)
    assert sum(line.wallet_fen for line in found.lines) == 50000 - share


def test_points_that_no_longer_fit_are_his_again() -> None:
    lines = sold(price(Basket((Item(1, 100000),), points=20000)))
    found = swap(lines, 1, 1, Piece(15000, 15000), Terms())
    assert (found.points, found.taken.paid_fen, found.difference_fen) == (5000, 0, -80000)


def test_a_gift_he_keeps_without_its_condition_is_bought() -> None:
    gift = Off("promotion:2", threshold_fen=90000)
    lines = sold(price(Basket((SUIT, SHIRT, Item(3, 9900, is_gift=True)))))
    found = swap(lines, 1, 1, Piece(29800, 29800), Terms(gift=gift))
    assert (found.difference_fen, found.gift_charge_fen) == (-40000 + 9900, 9900)
    tie = next(line for line in found.lines if line.line_no == 3)
    assert (tie.paid_fen, tie.is_gift) == (9900, False)


def test_one_of_several_pieces_goes_with_its_share() -> None:
    line = Sold(1, 3, 10000, wallet_fen=1000)
    given, rest = parted(line, 1)
    assert rest and (given.paid_fen + rest.paid_fen, given.wallet_fen + rest.wallet_fen) == (10000, 1000)
    assert (given.quantity, rest.quantity) == (1, 2)
    with pytest.raises(NothingLeft):
        swap([line], 1, 4, None, Terms())


# ---------------------------------------------------------------- any story ends at what he paid


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(100, 200000), st.integers(1, 3)), min_size=1, max_size=4),
    st.integers(0, 30000),
    st.integers(0, 100000),
    st.lists(
        st.tuples(st.sampled_from(["swap", "same", "back"]), st.integers(0, 9), st.integers(1, 250000)), max_size=7
    ),
)
@example(
    [(100, 1)] * 4, 195, 20, [("swap", 0, 16), ("swap", 0, 50), ("back", 0, 1), ("swap", 0, 1)]
)  # one fen stays by card
def test_whatever_is_exchanged_and_returned_ends_at_what_he_paid(
    goods: list[tuple[int, int]], off: int, card: int, story: list[tuple[str, int, int]]
) -> None:
    items = tuple(Item(n, fen, quantity) for n, (fen, quantity) in enumerate(goods, 1))
    whole = sum(fen * quantity for fen, quantity in goods)
    offer = Off("promotion:1", threshold_fen=whole * 2 // 3, amount_fen=min(off, whole // 2))
    quote = price(Basket(items, offers=(offer,), principal_fen=card, wallet_fen=None))
    terms = Terms(offer=quote.offer, offer_threshold_fen=quote.offer.threshold_fen if quote.offer else 0)
    lines, number = sold(quote), len(items) + 1
    house = Till(quote.paid_fen, quote.wallet_fen)
    for what, which, fen in story:
        left = [line for line in lines if line.quantity > line.returned]
        if not left:
            break
        line = left[which % len(left)]
        if what == "back":
            lines = house.returns(lines, {line.line_no: 1}, terms)
            continue
        found = swap(lines, line.line_no, 1, None if what == "same" else Piece(fen, fen), terms, house.gone(lines))
        house.exchanges(found)
        lines = [_named(one, number) for one in found.lines]
        number += 1
        assert all(0 <= one.wallet_fen <= one.paid_fen for one in lines)
    house.returns(lines, pieces_of(lines), terms)
    assert (house.kept_fen, house.card_fen) == (0, 0)


def _named(line: Sold, number: int) -> Sold:
    facts = {name: getattr(line, name) for name in Sold.__slots__}
    return Sold(**facts | ({"line_no": number} if line.line_no == NEW else {}))


class Till:
    """What a house keeps of a sale: all of it, and what of it came by card."""

    def __init__(self, paid_fen: int, card_fen: int) -> None:
        self.kept_fen, self.card_fen, self.card_back_fen = paid_fen, card_fen, 0

    def gone(self, lines: list[Sold]) -> Before:
        return Before(sum(line.paid_fen for line in lines) - self.kept_fen, self.card_back_fen)

    def exchanges(self, found: Swap) -> None:
        self.kept_fen += found.difference_fen
        self.card_fen -= found.wallet_fen
        assert self.kept_fen >= self.card_fen >= 0

    def returns(self, lines: list[Sold], pieces: dict[int, int], terms: Terms) -> list[Sold]:
        if not pieces:
            return lines
        back = give_back(lines, pieces, terms, self.gone(lines))
        self.kept_fen -= back.amount_fen
        self.card_fen -= back.wallet_fen
        self.card_back_fen += back.wallet_fen
        assert self.kept_fen >= self.card_fen >= 0
        return [
            Sold(
                **{name: getattr(line, name) for name in Sold.__slots__}
                | {"returned": line.returned + pieces.get(line.line_no, 0)}
            )
            for line in lines
        ]
