"""The limits of measures, and the slots of a day: pure functions."""

import re
from datetime import date, time

import pytest

from crm.tailoring.hours import Hours, spans_of, taken_at
from crm.tailoring.rules import cm, doubtful, read_cm, rules, wrong_measures
from yejibao.core.clock import local_moment

DAY = date(2026, 11, 24)


@pytest.mark.parametrize(
    ("typed", "millimetres"), [("96", 960), (" 96.5 ", 965), ("96．5", 965), ("96.0cm", 960), ("", None)]
)
def test_centimetres_are_read_as_they_are_typed(typed: str, millimetres: int | None) -> None:
    assert read_cm(typed) == millimetres


@pytest.mark.parametrize("typed", ["九十六", "96.55", "-4", "0", "1e3", "NaN", "99999"])
def test_what_is_no_measure_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match=re.escape(typed)):
        read_cm(typed)


def test_every_garment_needs_measures_that_exist_and_all_have_limits() -> None:
    book = rules()
    assert {key for one in book.garments.values() for key in one.needs} <= set(book.measures)
    assert all(one.least < one.most and one.jump > 0 for one in book.measures.values())
    assert {name for pair in book.relations for name in pair} <= set(book.measures)


def test_missing_implausible_and_contradicting_measures_are_all_named_at_once() -> None:
    wrong = wrong_measures({"chest": 300, "neck": 400, "hip": 990}, needs=["chest", "neck", "hip", "sleeve"])
    assert sorted((one["field"], one["code"]) for one in wrong) == [
        ("chest", "range"), ("chest", "relation"), ("sleeve", "required"),
    ]  # fmt: skip
    assert "胸围 30 不对" in wrong[1]["message"]


def test_a_jump_since_last_time_is_asked_about_and_a_small_change_is_not() -> None:
    assert doubtful({"chest": 1000}, {"chest": 960}) == []
    assert [one["message"] for one in doubtful({"chest": 1070}, {"chest": 960})] == ["胸围上次 96，这次 107"]
    assert cm(965) == "96.5"


def test_the_slots_of_a_day_fit_into_the_hours() -> None:
    hours = Hours(True, 45, 2, time(10), time(12))
    starts = [span[0] for span in spans_of(hours, DAY)]
    assert starts == [local_moment(DAY, time(10)), local_moment(DAY, time(10, 45))]  # a third would end at 12:15


def test_appointments_that_lie_askew_take_their_place_too() -> None:
    at = lambda hour, minute=0: local_moment(DAY, time(hour, minute))  # noqa: E731
    standing = [(at(10), at(11)), (at(10, 30), at(11, 30)), (at(12), at(13))]
    assert [taken_at(span, standing) for span in ((at(10), at(11)), (at(11), at(12)), (at(13), at(14)))] == [2, 1, 0]
