"""What comes back: for any basket, in any order and any split, all of it ends at what was paid, each way back exactly."""

from hypothesis import given, settings
from hypothesis import strategies as st

from crm.orders.checkout.engine import Basket, Item, Off, Quote, price
from crm.orders.checkout.reversal import Before, Sold, Terms, give_back

from .test_engine import baskets

FEW = settings(max_examples=150, deadline=None)


def sold(quote: Quote, returned: dict[int, int] | None = None) -> list[Sold]:
    return [
        Sold(
            line.line_no, line.quantity, line.tag_fen, line.item_off_fen, line.order_off_fen, line.coupon_fen, line.points_fen,
            line.principal_fen + line.gift_fen, line.is_gift, (returned or {}).get(line.line_no, 0),
        )
        for line in quote.lines
    ]  # fmt: skip


def terms(quote: Quote, gift: Off | None = None) -> Terms:
    base = sum(one.tag_fen - one.item_off_fen for one in quote.lines if quote.offer and quote.offer.is_on(one.line_no))
    return Terms(quote.offer, quote.offer.reach(base) if quote.offer else 0, quote.coupon, gift)


def test_the_example_of_the_domain() -> None:
    quote = price(Basket(items=(Item(1, 140800), Item(2, 35200)), coupon=Off("coupon", amount_fen=16000)))
    assert [line.paid_fen for line in quote.lines] == [128000, 32000]
    back = give_back(sold(quote), {2: 1}, terms(quote), Before())
    assert (back.amount_fen, back.is_full, back.withheld_fen) == (32000, False, 0)


def test_below_the_threshold_the_piece_he_keeps_loses_its_part_of_the_coupon() -> None:
    quote = price(Basket(items=(Item(1, 69800), Item(2, 29800)), coupon=Off("coupon", 90000, 10000)))
    first = give_back(sold(quote), {2: 1}, terms(quote), Before())
    assert (first.amount_fen, first.withheld_fen) == (89600 - 69800, 26808 - 19800)
    rest = give_back(sold(quote, {2: 1}), {1: 1}, terms(quote), Before(first.amount_fen))
    assert (rest.amount_fen, rest.is_full) == (69800, True)


def test_an_offer_of_steps_falls_to_the_step_that_is_still_reached() -> None:
    offer = Off("offer", steps=((50000, 4000), (100000, 12000)))
    quote = price(Basket(items=(Item(1, 60000), Item(2, 60000)), offers=(offer,)))
    assert [line.paid_fen for line in quote.lines] == [54000, 54000]
    back = give_back(sold(quote), {1: 1}, terms(quote), Before())
    assert back.amount_fen == 108000 - (60000 - 4000)


def test_a_gift_that_is_kept_without_its_condition_is_charged() -> None:
    gift = Off("gift", threshold_fen=50000)
    quote = price(Basket(items=(Item(1, 60000), Item(2, 9900, is_gift=True))))
    kept = give_back(sold(quote), {1: 1}, terms(quote, gift), Before())
    assert (kept.amount_fen, kept.gift_charge_fen) == (60000 - 9900, 9900)
    assert give_back(sold(quote), {1: 1, 2: 1}, terms(quote, gift), Before()).amount_fen == 60000
    later = give_back(sold(quote, {1: 1}), {2: 1}, terms(quote, gift), Before(kept.amount_fen))
    assert (later.amount_fen, later.is_full) == (9900, True)


@FEW
@given(baskets(), st.integers(0, 300_000), st.data())
def test_any_order_and_any_split_ends_at_what_was_paid(basket: Basket, threshold: int, data: st.DataObject) -> None:
    quote = price(basket)
    rules = terms(quote, Off("gift", threshold_fen=threshold) if any(item.is_gift for item in basket.items) else None)
    pieces = [line.line_no for line in quote.lines for _ in range(line.quantity)]
    shuffled = data.draw(st.permutations(pieces))
    returned: dict[int, int] = {}
    amount = wallet = points = 0
    per_line: dict[int, int] = {}
    while shuffled:
        take = data.draw(st.integers(1, len(shuffled)))
        some, shuffled = shuffled[:take], shuffled[take:]
        wanted = {number: some.count(number) for number in dict.fromkeys(some)}
        back = give_back(sold(quote, returned), wanted, rules, Before(amount, wallet, points))
        assert min(back.amount_fen, back.wallet_fen, back.other_fen, back.points) >= 0
        assert sum(part for _, _, part in back.lines) == back.amount_fen
        amount, wallet, points = amount + back.amount_fen, wallet + back.wallet_fen, points + back.points
        assert amount <= quote.paid_fen and wallet <= quote.wallet_fen and amount - wallet <= quote.due_fen
        for number, quantity, part in back.lines:
            returned[number] = returned.get(number, 0) + quantity
            per_line[number] = per_line.get(number, 0) + part
        assert back.is_full == (not shuffled)
    assert (amount, wallet, points) == (quote.paid_fen, quote.wallet_fen, quote.points)
    assert amount - wallet == quote.due_fen


@FEW
@given(baskets(), st.data())
def test_without_thresholds_each_piece_is_worth_its_own_share(basket: Basket, data: st.DataObject) -> None:
    quote = price(basket)
    line = data.draw(st.sampled_from(quote.lines))
    back = give_back(sold(quote), {line.line_no: line.quantity}, Terms(), Before())
    assert (back.amount_fen, back.wallet_fen) == (line.paid_fen, line.principal_fen + line.gift_fen)
