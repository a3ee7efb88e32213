"""The pure rules: every example of models.yaml, and the arithmetic of a book under random acts."""

from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.benefits.book import Book, Lot, Short
from crm.benefits.coupon_rules import CouponRule, LineFacts
from crm.benefits.rules import (
    expires_on,
    level_for,
    level_rule,
    levels,
    most_points,
    points_for,
    points_worth_fen,
    usable_from,
)
from yejibao.core import clock
from yejibao.core.domain_files import read_yaml

MODELS = read_yaml(Path(__file__).resolve().parents[3] / "crm" / "data" / "models.yaml")
NOW = clock.parse_iso("2025-06-30 12:00")
TODAY = date(2025, 6, 30)


def rule(**facts: object) -> CouponRule:
    plain: dict[str, object] = {
        "coupon_id": 1, "title": "券", "amount_fen": 10_000, "percent_off": None, "cap_fen": None, "threshold_fen": 0,
        "categories": (), "style_codes": (), "member_levels": (), "channels": (), "excludes_promoted": False,
    }  # fmt: skip
    return CouponRule(**(plain | facts))  # type: ignore[arg-type]


# ---------------------------------------------------------------- levels and points


@pytest.mark.parametrize("example", [one for one in MODELS["member_level"]["examples"] if "level" in one], ids=str)
def test_level_examples(example: dict[str, object]) -> None:
    assert level_for(int(str(example["spend_180_fen"]))).key == example["level"]


def test_levels_bring_what_the_domain_file_says() -> None:
    assert [(one.key, one.rate_tenths, one.birthday_coupon_fen, one.free_care_per_year) for one in levels()] == [
        (row["key"], round(row["points_rate"] * 10), row["birthday_coupon_fen"], row["free_care_per_year"])
        for row in MODELS["member_level"]["levels"]
    ]
    assert [level_rule(key).below for key in ("V1", "V2", "V5")] == ["V1", "V1", "V4"]


def test_points_example() -> None:
    example = MODELS["points_rules"]["example"]
    rate = round(example["points_rate"] * 10)
    assert points_for(example["paid_fen"], rate_tenths=rate, is_member_day=False) == example["points"]
    assert points_for(example["paid_fen"], rate_tenths=rate, is_member_day=True) == 2 * example["points"]


@pytest.mark.parametrize(
    ("amount_fen", "usable", "most"),
    [(89_600, 50_000, 17_900), (89_600, 5_050, 5_000), (499, 1_000, 0), (50_000, 99, 0), (50_000, 10_000, 10_000)],
)
def test_points_pay_whole_steps_and_a_fifth_at_most(amount_fen: int, usable: int, most: int) -> None:
    assert most_points(usable, amount_fen=amount_fen) == most
    assert points_worth_fen(most) * 5 <= amount_fen


def test_points_end_with_the_next_year_and_may_be_used_after_the_return_time() -> None:
    assert expires_on(date(2025, 1, 1)) == expires_on(date(2025, 12, 31)) == date(2026, 12, 31)
    day = date(2025, 3, 1)  # may be brought back until 03-08
    assert usable_from(day) == clock.local_moment(date(2025, 3, 9), time())
    assert usable_from(day, is_delivery=True, received_on=date(2025, 3, 4)) == clock.local_moment(
        date(2025, 3, 12), time()
    )
    assert usable_from(day, is_delivery=True) == clock.local_moment(date(2025, 3, 23), time())


# ---------------------------------------------------------------- coupons


def test_what_a_coupon_takes_off() -> None:
    suit = LineFacts(69_800, "S1", ("西服", "套西"))
    shirt = LineFacts(29_800, "S2", ("衬衫",), is_promoted=True)
    both = [suit, shirt]
    assert rule(threshold_fen=99_600).discount_fen(both) == 10_000
    assert rule(threshold_fen=99_601).discount_fen(both) == 0
    assert rule(categories=("衬衫",), amount_fen=40_000).discount_fen(both) == 29_800
    assert rule(style_codes=("S1",), threshold_fen=70_000).discount_fen(both) == 0
    assert rule(excludes_promoted=True, threshold_fen=70_000).discount_fen(both) == 0
    assert rule(amount_fen=None, percent_off=15, cap_fen=20_000).discount_fen(both) == 14_940
    assert rule(amount_fen=None, percent_off=15, cap_fen=12_000).discount_fen(both) == 12_000


def test_why_a_coupon_cannot_be_used_is_said() -> None:
    lines = [LineFacts(30_000, "S1", ("西服",))]
    assert rule(threshold_fen=50_000).why_not(lines, level="V1", channel="till") == "还差 ¥200"
    assert rule(channels=("mall",)).why_not(lines, level="V1", channel="till") == "这个渠道不能用"
    assert rule(member_levels=("V4", "V5")).why_not(lines, level="V1", channel="till") == "限 V4、V5 会员"
    assert rule(categories=("衬衫",)).why_not(lines, level="V1", channel="till") == "没有适用的商品"
    assert rule().why_not(lines, level="V1", channel="till") == ""


@given(
    st.lists(st.integers(1, 10**7), min_size=1, max_size=6), st.integers(1, 10**6), st.integers(0, 10**6),
    st.one_of(st.none(), st.integers(1, 90)),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_a_coupon_never_takes_off_more_than_there_is(
    amounts: list[int], worth: int, threshold: int, percent: int | None
) -> None:
    lines = [LineFacts(fen) for fen in amounts]
    one = rule(
        amount_fen=None if percent else worth,
        percent_off=percent,
        cap_fen=worth if percent else None,
        threshold_fen=threshold,
    )
    off = one.discount_fen(lines)
    assert 0 <= off <= min(sum(amounts), worth)
    assert (off == 0) or sum(amounts) >= threshold


# ---------------------------------------------------------------- the book


def lot(year: int = 2026, *, at: datetime = NOW - timedelta(days=1), subject: str = "") -> Lot:
    return Lot(usable_from=at, expires_on=date(year, 12, 31), subject=subject)


def put(book: Book, one: Lot, points: int, key: str) -> None:
    book.credit([(one, points)], kind="earn", subject=one.subject, key=key)


def test_what_ends_first_is_used_first() -> None:
    book, late, early = Book(1), lot(2027), lot(2026)
    put(book, late, 100, "a")
    put(book, early, 100, "b")
    line = book.spend(150, kind="spend", subject="sale:1", key="c", now=NOW, today=TODAY)
    assert line.uses == ((early, 100), (late, 50))
    assert (book.balance, book.left, book.debt) == (50, 50, 0)


def test_frozen_and_ended_points_cannot_be_used() -> None:
    book = Book(1)
    put(book, lot(at=NOW + timedelta(days=3)), 100, "a")
    put(book, lot(2024), 100, "b")
    with pytest.raises(Short):
        book.spend(100, kind="spend", subject="", key="c", now=NOW, today=TODAY)


def test_points_taken_back_after_they_were_spent_are_a_debt_that_the_next_earning_fills() -> None:
    book, order = Book(1), lot(subject="order:1")
    put(book, order, 320, "a")
    book.spend(300, kind="spend", subject="", key="b", now=NOW, today=TODAY)
    book.take_back(320, lot=order, subject="order:1", key="c")
    assert (book.balance, book.left, book.debt) == (-300, 0, 300)
    following = lot(2027, subject="order:2")
    put(book, following, 500, "d")
    assert (book.balance, following.left, book.debt) == (200, 200, 0)
    assert book.lines[-1].uses == ((following, 300),)


ACTS = st.lists(
    st.tuples(st.sampled_from(["earn", "spend", "take", "expire"]), st.integers(1, 400), st.integers(2024, 2027)),
    max_size=25,
)


@given(ACTS)
@settings(max_examples=150, deadline=None)
def test_a_book_adds_up_after_any_acts(acts: list[tuple[str, int, int]]) -> None:
    book, earned, used = Book(1), [], {}
    for number, (act, points, year) in enumerate(acts):
        if act == "earn":
            earned.append(lot(year, subject=f"order:{number}"))
            put(book, earned[-1], points, f"k{number}")
        elif act == "spend" and book.usable(NOW, TODAY) >= points:
            book.spend(points, kind="spend", subject="", key=f"k{number}", now=NOW, today=TODAY)
        elif act == "take" and earned:
            book.take_back(points, lot=earned[points % len(earned)], subject="", key=f"k{number}")
        elif act == "expire":
            book.expire(TODAY)
        assert book.balance == sum(line.points for line in book.lines) == book.left - book.debt
        assert book.left == 0 or book.debt == 0
    for line in book.lines:
        for one, points in line.uses:
            used[one] = used.get(one, 0) + points
    assert all(one.points == one.left + used.get(one, 0) and one.left >= 0 for one in earned)
