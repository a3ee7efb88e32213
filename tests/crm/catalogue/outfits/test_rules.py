"""The rules of a look and of a week, and a member's week filled by them: whatever he owns and whatever is sold out."""

import csv
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.catalogue.loading import DEMO_FILE
from crm.catalogue.outfits.filling import Facts, Owned, Place, fill_week, worn
from crm.catalogue.outfits.loading import FILE
from crm.catalogue.outfits.rules import Garment, blocking, faults_of, fits, week_faults
from yejibao.core.domain_files import read_yaml


def _shelf() -> dict[str, Garment]:
    with DEMO_FILE.open(encoding="utf-8-sig", newline="") as file:
        return {
            row["sku_code"]: Garment(
                number, row["sku_code"], row["style_no"], row["name"], row["category_l1"], row["category_l2"], row["color"],
                row["color_family"], row["outfit_role"], row["season"], row["size_range"], int(row["price_fen"]),
            )
            for number, row in enumerate(csv.DictReader(file), 1)
        }  # fmt: skip


SHELF = _shelf()
BOOK: dict[str, Any] = read_yaml(FILE)
WEEKS = {
    plan["key"]: [
        [SHELF[code] for code in row["items"]]
        for row in sorted(BOOK["outfits"], key=lambda row: row["day"])
        if row["plan"] == plan["key"]
    ]
    for plan in BOOK["plans"]
}
SEASON = {plan["key"]: plan["season"] for plan in BOOK["plans"]}
MONDAY = WEEKS["autumn_commute"][0]


def codes(faults: list[Any]) -> list[str]:
    return [fault.code for fault in faults]


def test_every_outfit_and_every_week_of_the_domain_file_keeps_the_rules() -> None:
    assert {name: len(week) for name, week in WEEKS.items()} == dict.fromkeys(WEEKS, 7)
    for name, week in WEEKS.items():
        assert [blocking(faults_of(look)) for look in week] == [[]] * 7, name
        assert week_faults(week) == [], name


@pytest.mark.parametrize(
    ("items", "found"),
    [
        (["26SCS201-WH", "26SKZ901-BK"], ["no_shoes"]),
        (["25FXF101-NV", "26SXZ951-BK"], []),  # a suit has its trousers
        (["25FXF101-NV", "26SKZ901-BK", "26SXZ951-BK"], ["suit_and_bottom"]),
        (["26SCS201-WH", "26SXZ951-BK"], ["no_bottom"]),
        (["26SKZ901-BK", "26SXZ951-BK"], ["no_top"]),
        (["25FXF101-NV", "26SXZ951-BK", "26SXZ952-BR"], ["two_shoes"]),
        (["26SCS201-WH", "26SKZ901-BK", "26SKZ902-CG", "26SXZ951-BK"], ["two_bottoms"]),
        (["25FXF101-NV", "26SXZ951-BK", "26SPS971-BR"], ["belt"]),
        (["25FXF101-NV", "26SXZ953-WH", "26SPS971-BR"], []),  # white sneakers are no leather shoes
        (["26MJK505-BE", "26MTP305-WH", "26MKZ905-BK", "26MXZ954-GY"], ["top_heavy"]),
    ],
)
def test_what_is_wrong_with_a_look(items: list[str], found: list[str]) -> None:
    assert codes(faults_of([SHELF[code] for code in items])) == found


def test_four_colours_are_too_many_and_black_white_grey_are_none() -> None:
    navy, red, khaki, green = (
        replace(SHELF["26SCS201-WH"], sku_code=name, color_family=name, role=role)
        for name, role in (("藏青", "outer"), ("酒红", "mid"), ("卡其", "inner"), ("绿", "bottom"))
    )
    shoes = SHELF["26SXZ951-BK"]
    fault = next(one for one in faults_of([navy, red, khaki, green, shoes]) if one.code == "colours")
    assert fault.text == "衣裤有 4 个主色（藏青、酒红、卡其、绿），最多 3 个；黑、白、灰不算"
    assert "colours" not in codes(faults_of([navy, red, khaki, replace(green, color_family="灰"), shoes]))


def test_a_suit_and_leather_shoes_rest_a_day_and_nothing_is_worn_four_times() -> None:
    week = [list(look) for look in WEEKS["autumn_commute"]]
    week[1] = MONDAY
    assert {fault.text for fault in week_faults(week)} == {
        "抗皱羊毛修身套西 藏青周一、周二连着穿，西服要歇一天",
        "固特异德比皮鞋 黑周一、周二连着穿，皮鞋要歇一天",
    }
    belt = SHELF["26SPS971-BK"]
    week = [[*look, belt] if belt not in look else look for look in WEEKS["autumn_commute"]]
    assert [fault.code for fault in week_faults(week)] == ["too_often"]


def test_the_week_is_round_only_for_templates() -> None:
    sunday_and_monday = [MONDAY, [], [], [], [], [], [SHELF["26SXZ951-BK"]]]
    assert codes(week_faults(sunday_and_monday)) == ["no_rest"]
    assert week_faults(sunday_and_monday, is_round=False) == []
    assert not fits(SHELF["26SXZ951-BK"], 1, [MONDAY, [], []])
    assert fits(SHELF["26SXZ951-BK"], 2, [MONDAY, [], []])


# ---------------------------------------------------------------- a member's own week


def filled(
    name: str, *, owned: list[str] = (), out: set[str] = frozenset(), chosen: dict[Any, str] | None = None
) -> Any:  # type: ignore[assignment]
    return fill_week(
        WEEKS[name],
        Facts(
            owned=[Owned(SHELF[code], date(2026, 3, 1)) for code in owned],
            shelf=list(SHELF.values()),
            hangs=lambda piece: piece.sku_code not in out,
            chosen=chosen or {},
            season=SEASON[name],
        ),
    )


def test_what_he_owns_of_the_same_kind_and_colour_takes_the_place_of_what_is_shown() -> None:
    week = filled("autumn_commute", owned=["25FXF102-NV"])
    assert (week[0][0].garment.sku_code, week[0][0].owned is not None) == ("25FXF102-NV", True)


def test_his_one_pair_of_black_shoes_is_not_worn_two_days_running() -> None:
    week = filled("summer_light", owned=["26SXZ952-BK"])
    shoes = [next(place for place in look if place.garment.category_l1 == "鞋") for look in week[:3]]
    assert [(place.garment.sku_code, place.owned is not None) for place in shoes] == [
        ("26SXZ952-BK", True), ("26SXZ951-BK", False), ("26SXZ952-BK", True),
    ]  # fmt: skip


def test_what_is_sold_out_in_his_size_is_swapped_for_the_nearest_price_of_the_same_kind_and_colour() -> None:
    shirt = filled("autumn_commute", out={"26SCS201-WH"})[0][1]
    assert (shirt.shown.sku_code, shirt.garment.sku_code, shirt.is_out) == ("26SCS201-WH", "26SCS202-WH", False)


def test_what_nothing_can_stand_for_is_flagged_with_one_alternative() -> None:
    whites = {code for code, one in SHELF.items() if one.category_l1 == "衬衫" and one.color_family == "白"}
    shirt = filled("autumn_commute", out=whites)[0][1]
    assert (shirt.is_out, shirt.alternative and shirt.alternative.category_l1) == (True, "衬衫")
    assert shirt.alternative and shirt.alternative.color_family != "白"


def test_linen_of_the_summer_stands_for_nothing_in_winter() -> None:
    everything = set(SHELF) - {code for code, one in SHELF.items() if one.season == "夏"}
    assert all(
        place.is_out and place.alternative is None for look in filled("winter_warm", out=everything) for place in look
    )


def test_a_choice_that_would_break_the_week_is_passed_over() -> None:
    monday_shoes = (0, "26SXZ951-BK")
    week = filled("autumn_commute", chosen={monday_shoes: "26SXZ952-BK"})
    assert week[0][3].garment.sku_code == "26SXZ952-BK"
    week = filled(
        "autumn_commute", chosen={monday_shoes: "26SXZ952-BR"}
    )  # brown is worn on Tuesday, and the belt is black
    assert week[0][3].garment.sku_code == "26SXZ951-BK"


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(WEEKS)),
    owned=st.lists(st.sampled_from(sorted(SHELF)), max_size=25, unique=True),
    out=st.sets(st.sampled_from(sorted(SHELF)), max_size=90),
    start=st.integers(0, 6),
    picks=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 5), st.sampled_from(sorted(SHELF))), max_size=4),
)
def test_every_week_keeps_the_rules_and_nothing_sold_out_goes_unflagged(
    name: str, owned: list[str], out: set[str], start: int, picks: list[tuple[int, int, str]]
) -> None:
    looks = [*WEEKS[name][start:], *WEEKS[name][:start]]
    facts = Facts(
        owned=[Owned(SHELF[code], date(2026, 3, 1)) for code in owned],
        shelf=list(SHELF.values()),
        hangs=lambda piece: piece.sku_code not in out,
        chosen={(day, looks[day][at % len(looks[day])].sku_code): instead for day, at, instead in picks},
        season=SEASON[name],
    )
    week = fill_week(looks, facts)
    assert [len(look) for look in week] == [len(look) for look in looks]
    assert week_faults(worn(week), is_round=False) == []
    for look in week:
        assert blocking(faults_of([place.garment for place in look])) == []
        for place in look:
            _is_honest(place, facts)
    assert fill_week(looks, facts) == week  # the same facts, the same week


def _is_honest(place: Place, facts: Facts) -> None:
    """His own is his own, what hangs nowhere says so, and what is offered instead does hang."""
    own = {one.garment.sku_code for one in facts.owned}
    assert (place.owned is not None) == (place.garment.sku_code in own and place.owned is not None)
    if place.owned is None:
        assert place.is_out == (not facts.hangs(place.garment))
    if place.owned and not place.is_chosen:
        kind = (place.shown.category_l2, place.shown.color_family)
        assert (place.garment.category_l2, place.garment.color_family) == kind
    if place.alternative:
        assert facts.hangs(place.alternative) and place.alternative.role == place.shown.role
