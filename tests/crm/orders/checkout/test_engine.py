"""What a basket costs: the example of the domain to the digit, and sums that are exact for any basket."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.orders.checkout.engine import Basket, Item, Off, Quote, price, spread

fen = st.integers(0, 300_000)
FEW = settings(max_examples=150, deadline=None)


@st.composite
def baskets(draw: st.DrawFn) -> Basket:
    """Return a basket of up to six lines with whatever a shop can put on it."""
    count = draw(st.integers(1, 6))
    items = []
    for number in range(1, count + 1):
        tag = draw(st.integers(1, 300_000))
        cheaper = draw(st.none() | st.integers(0, tag))
        items.append(
            Item(number, tag, draw(st.integers(1, 4)), cheaper, is_gift=number > 1 and draw(st.integers(0, 9)) == 0)
        )
    some = st.none() | st.frozensets(st.integers(1, count), min_size=1)
    offers = draw(
        st.lists(st.builds(Off, st.just("offer"), threshold_fen=fen, amount_fen=fen, covers=some), max_size=2)
    )
    coupon = draw(
        st.none()
        | st.builds(Off, st.just("coupon"), threshold_fen=fen, amount_fen=fen, covers=some)
        | st.builds(Off, st.just("coupon"), threshold_fen=fen, percent=st.integers(1, 90), most_fen=fen, covers=some)
    )
    return Basket(
        items=tuple(items),
        offers=tuple(offers),
        coupon=coupon,
        points=draw(st.integers(0, 200_000)),
        points_usable=draw(st.integers(0, 100_000)),
        principal_fen=draw(fen),
        gift_fen=draw(fen),
        wallet_fen=draw(st.none() | fen),
    )


def shares(quote: Quote, name: str) -> list[int]:
    return [getattr(line, name) for line in quote.lines]


def test_the_example_of_the_domain() -> None:
    quote = price(Basket(items=(Item(1, 69800), Item(2, 29800)), coupon=Off("coupon", amount_fen=10000), points=5000))
    assert shares(quote, "coupon_fen") == [7008, 2992]
    assert [line.paid_fen + line.points_fen for line in quote.lines] == [62792, 26808]
    assert shares(quote, "points_fen") == [3504, 1496]
    assert (quote.points, quote.due_fen) == (5000, 84600)


def test_the_card_pays_principal_and_gift_in_proportion() -> None:
    quote = price(Basket(items=(Item(1, 53000),), principal_fen=200000, gift_fen=12000, wallet_fen=None))
    assert (quote.principal_fen, quote.gift_fen, quote.due_fen) == (50000, 3000, 0)


def test_points_are_a_fifth_at_most_and_in_steps_of_a_hundred() -> None:
    quote = price(Basket(items=(Item(1, 99999),), points=50_000, points_usable=90_000))
    assert (quote.points, quote.points_most, quote.points_fen) == (19_900, 19_900, 19_900)
    assert price(Basket(items=(Item(1, 99999),), points=5_050, points_usable=5_050)).points == 5_000


def test_the_promotion_of_a_piece_comes_before_that_of_the_order_and_the_better_one_counts() -> None:
    quote = price(
        Basket(
            items=(Item(1, 50000, price_fen=40000), Item(2, 30000, 2)),
            offers=(Off("small", 50000, 3000), Off("steps", steps=((80000, 5000), (100000, 9000)))),
        )
    )
    assert (quote.offer.key if quote.offer else "", quote.promotion_fen) == ("steps", 10000 + 9000)
    assert shares(quote, "order_off_fen") == [3600, 5400]


def test_a_coupon_below_its_threshold_is_left_out() -> None:
    quote = price(Basket(items=(Item(1, 50000),), coupon=Off("coupon", 60000, 5000)))
    assert (quote.coupon, quote.coupon_fen) == (None, 0)


def test_a_coupon_for_some_goods_takes_nothing_off_the_others() -> None:
    quote = price(Basket(items=(Item(1, 50000), Item(2, 30000)), coupon=Off("coupon", 0, 40000, covers=frozenset({2}))))
    assert shares(quote, "coupon_fen") == [0, 30000]


def test_what_does_not_fit_on_the_last_line_goes_to_those_before() -> None:
    assert spread(200, [100, 100, 1]) == [99, 100, 1]
    with pytest.raises(ValueError, match="cannot be spread"):
        spread(3, [1, 1])


@FEW
@given(st.lists(st.integers(0, 1_000_000), min_size=1, max_size=8), st.data())
def test_shares_make_the_whole_and_none_is_more_than_its_amount(amounts: list[int], data: st.DataObject) -> None:
    total = data.draw(st.integers(0, sum(amounts)))
    parts = spread(total, amounts)
    assert sum(parts) == total
    assert all(0 <= part <= amount for part, amount in zip(parts, amounts, strict=True))


@FEW
@given(baskets())
def test_every_fen_of_any_basket_is_accounted_for(basket: Basket) -> None:
    quote = price(basket)
    names = (
        "item_off_fen",
        "order_off_fen",
        "coupon_fen",
        "points_fen",
        "principal_fen",
        "gift_fen",
        "paid_fen",
        "due_fen",
    )
    assert all(getattr(line, name) >= 0 for line in quote.lines for name in names)
    assert quote.tag_fen == quote.promotion_fen + quote.coupon_fen + quote.points_fen + quote.paid_fen
    assert quote.paid_fen == quote.wallet_fen + quote.due_fen
    assert quote.points % 100 == 0 and quote.points_fen == quote.points <= quote.points_most
    assert 5 * quote.points_fen <= quote.tag_fen - quote.promotion_fen - quote.coupon_fen
    assert quote.points <= min(basket.points, basket.points_usable or 0)
    assert quote.principal_fen <= basket.principal_fen and quote.gift_fen <= basket.gift_fen
    wanted = quote.paid_fen if basket.wallet_fen is None else basket.wallet_fen
    assert quote.wallet_fen == min(quote.paid_fen, wanted, basket.principal_fen + basket.gift_fen)
