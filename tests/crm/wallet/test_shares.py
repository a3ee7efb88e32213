"""The arithmetic of shares and refund sums, to the fen."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.wallet.shares import Movement, Parts, split_refund, split_spend, worth_of

CARD = [Movement("top_up", 100000, 5000, 1)]


def test_the_domains_example() -> None:
    assert split_spend(53000, principal_fen=200000, gift_fen=12000) == Parts(50000, 3000)


@given(principal=st.integers(0, 500000), gift=st.integers(0, 500000), share=st.fractions(0, 1))
def test_a_spend_fits_its_balances(principal: int, gift: int, share: Fraction) -> None:
    amount = int((principal + gift) * share)
    part = split_spend(amount, principal_fen=principal, gift_fen=gift)
    assert part.total_fen == amount and 0 <= part.gift_fen <= gift and 0 <= part.principal_fen <= principal
    if principal + gift:
        exact = Fraction(amount * gift, principal + gift)
        assert 0 <= exact - part.gift_fen < 1  # rounded to principal


@given(principal=st.integers(0, 500000), gift=st.integers(0, 500000), cuts=st.lists(st.integers(1, 200000), max_size=8))
def test_refunds_add_up_to_the_spend(principal: int, gift: int, cuts: list[int]) -> None:
    spent, back = Parts(principal, gift), Parts(0, 0)
    for cut in [*cuts, principal + gift]:
        amount = min(cut, spent.total_fen - back.total_fen)
        if amount <= 0:
            continue
        part = split_refund(amount, spent=spent, back=back)
        assert part.total_fen == amount and min(part.principal_fen, part.gift_fen) >= 0
        back = Parts(back.principal_fen + part.principal_fen, back.gift_fen + part.gift_fen)
        assert back.principal_fen <= principal and back.gift_fen <= gift
    assert back == spent


def test_the_laws_example_by_both_ways() -> None:
    """Pay 1,000, gift 50, use 530: 495.24 by the ratio, 470.00 at the list price."""
    part = split_spend(53000, principal_fen=100000, gift_fen=5000)
    worth = worth_of([*CARD, Movement("spend", part.principal_fen, part.gift_fen, 2)])
    assert (part, worth.principal) == (Parts(50477, 2523), Fraction(100000 * 52000, 105000))
    assert worth.ratio_fen(principal_fen=49523, gift_fen=2477) == 49524
    assert worth.list_price_fen() == 47000


def test_nothing_used_is_all_of_the_principal() -> None:
    worth = worth_of(CARD)
    assert (worth.ratio_fen(principal_fen=100000, gift_fen=5000), worth.list_price_fen()) == (100000, 100000)


def test_what_came_back_counts_as_not_used() -> None:
    spent, back = Movement("spend", 50477, 2523, 2), Movement("spend_refund", 50477, 2523, 3, of=2)
    worth = worth_of([*CARD, spent, back])
    assert (worth.ratio_fen(principal_fen=100000, gift_fen=5000), worth.list_price_fen()) == (100000, 100000)


def test_an_empty_card_begins_anew() -> None:
    used_up = [Movement("spend", 100000, 5000, 2), Movement("top_up", 450000, 35000, 3)]
    worth = worth_of([*CARD, *used_up])
    assert (worth.ratio_fen(principal_fen=450000, gift_fen=35000), worth.list_price_fen()) == (450000, 450000)
    late = worth_of([*CARD, *used_up, Movement("spend_refund", 10000, 500, 4, of=2)])  # of the filling before
    assert (late.list_price_fen(), late.given_fen) == (460000, 35500)


def test_two_fillings_keep_their_own_ratio() -> None:
    """What is left of the first filling keeps its ratio when the second comes with another."""
    first = split_spend(100000, principal_fen=100000, gift_fen=5000)
    worth = worth_of(
        [*CARD, Movement("spend", first.principal_fen, first.gift_fen, 2), Movement("top_up", 450000, 35000, 3)]
    )
    assert worth.principal == Fraction(100000, 105000) * 5000 + 450000


@given(
    tops=st.lists(st.tuples(st.integers(10000, 450000), st.integers(0, 35000)), min_size=1, max_size=4),
    shares=st.lists(st.fractions(0, 1), min_size=1, max_size=4),
)
def test_the_sum_is_never_less_than_the_ledgers_principal_nor_more_than_the_card(
    tops: list[tuple[int, int]], shares: list[Fraction]
) -> None:
    principal = gift = number = 0
    movements = []
    for top, share in zip(tops, shares, strict=False):
        principal, gift, number = principal + top[0], gift + top[1], number + 1
        movements.append(Movement("top_up", *top, number))
        part = split_spend(int((principal + gift) * share), principal_fen=principal, gift_fen=gift)
        principal, gift, number = principal - part.principal_fen, gift - part.gift_fen, number + 1
        movements.append(Movement("spend", part.principal_fen, part.gift_fen, number))
    worth = worth_of(movements)
    pay = worth.ratio_fen(principal_fen=principal, gift_fen=gift)
    assert worth.balance_fen == principal + gift
    assert principal <= pay <= min(principal + gift, principal + len(movements))
    assert 0 <= worth.list_price_fen() <= principal + gift


@pytest.mark.parametrize("movements", [[], [Movement("top_up", 100, 0, 1), Movement("reset", 100, 0, 2)]])
def test_an_empty_card_is_worth_nothing(movements: list[Movement]) -> None:
    worth = worth_of(movements)
    assert (worth.balance_fen, worth.list_price_fen(), worth.ratio_fen(principal_fen=0, gift_fen=0)) == (0, 0, 0)
