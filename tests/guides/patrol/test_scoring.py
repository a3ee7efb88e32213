"""The figures of the file, to the digit; and the file itself."""

import copy
from typing import Any

import pytest

from guides.patrol.book import book
from guides.patrol.loading import ChecklistRefused, load_checklist
from guides.patrol.models import Checklist, ChecklistItem
from guides.patrol.scoring import Scored, deadline, grade_of, mean_tenths, mean_whole, result_of, words_of
from yejibao.core.clock import SHANGHAI, parse_iso

NOW = parse_iso("2026-11-21 10:00")


def test_the_example_of_the_file() -> None:
    example = book()["scoring"]["example"]
    result = result_of(Scored(row["weight"], row["score"]) for row in example["items"])
    assert result is not None
    assert (words_of(result.tenths), result.grade, result.red_lines) == (str(example["store_score"]), "B", 0)
    assert result.tenths == 41


def test_half_is_rounded_up() -> None:
    assert mean_tenths([Scored(1, 4)] * 19 + [Scored(1, 5)]) == 41  # 4.05
    assert mean_tenths([Scored(1, 4)] * 24 + [Scored(1, 5)]) == 40  # 4.04
    assert mean_tenths([Scored(3, 3), Scored(1, 2)]) == 28  # 2.75
    assert (mean_whole([Scored(1, 3), Scored(1, 4)]), mean_whole([Scored(2, 3), Scored(1, 4)])) == (4, 3)


def test_what_does_not_apply_is_out_of_the_total() -> None:
    rows = [Scored(3, 4), Scored(3, 2)]
    assert mean_tenths([*rows, Scored(50, None)]) == mean_tenths(rows) == 30
    assert (mean_tenths([Scored(3, None)]), result_of([]), mean_whole([]), words_of(None)) == (None, None, None, "—")


@pytest.mark.parametrize(("tenths", "grade"), [(50, "A"), (45, "A"), (44, "B"), (40, "B"), (39, "C"), (35, "C"), (34, "D"), (10, "D")])  # fmt: skip
def test_grades_change_where_the_file_says(tenths: int, grade: str) -> None:
    assert grade_of(tenths) == grade


def test_a_red_line_caps_and_only_at_one() -> None:
    good = [Scored(97, 5)]
    one, two = result_of([*good, Scored(3, 1, True)]), result_of([*good, Scored(3, 2, True)])
    assert one is not None and two is not None
    assert (one.tenths, one.uncapped_tenths, one.grade, one.red_lines) == (34, 49, "D", 1)
    assert (two.tenths, two.grade, two.red_lines) == (49, "A", 0)
    low = result_of([Scored(1, 1, True), Scored(1, 2)])
    assert low is not None and low.tenths == 15, "a cap lifts nobody"


@pytest.mark.parametrize(
    ("opened", "hours", "until"),
    [
        ("2026-11-21 10:00", 4, "2026-11-21 14:00"),
        ("2026-11-21 16:00", 4, "2026-11-21 20:00"),  # 20:00 itself stands
        ("2026-11-21 16:01", 4, "2026-11-22 12:00"),
        ("2026-11-21 21:00", 4, "2026-11-22 12:00"),  # at one in the night
        ("2026-11-21 15:00", 168, "2026-11-28 15:00"),
        ("2026-11-21 21:30", 72, "2026-11-25 12:00"),
    ],
)
def test_a_deadline_in_the_night_is_noon(opened: str, hours: int, until: str) -> None:
    assert deadline(parse_iso(opened), hours).astimezone(SHANGHAI) == parse_iso(until)


# ---------------------------------------------------------------- the file


@pytest.mark.django_db
def test_the_file_becomes_rows_once() -> None:
    first, again = load_checklist(now=NOW), load_checklist(now=NOW)
    assert (first, Checklist.objects.count(), ChecklistItem.objects.count()) == (again, 1, 48)
    assert sum(ChecklistItem.objects.values_list("weight", flat=True)) == 100
    red = set(ChecklistItem.objects.filter(is_red_line=True).values_list("key", flat=True))
    assert red == {"safety_fire", "safety_electric", "price_tag", "task_execution"}


@pytest.mark.django_db
def test_a_changed_file_is_a_new_version() -> None:
    first, changed = load_checklist(now=NOW), copy.deepcopy(book())
    changed["items"][0]["name"] = "门头和招牌"
    second = load_checklist(now=NOW, source=changed)
    assert [(row.number, row.is_current) for row in Checklist.objects.order_by("number")] == [(1, False), (2, True)]
    assert (first.items.get(seq=1).name, second.items.get(seq=1).name) == ("门头招牌", "门头和招牌")
    load_checklist(now=NOW)
    assert Checklist.objects.get(is_current=True) == first, "the old file again is the old version"


@pytest.mark.django_db
@pytest.mark.parametrize("fault", ["weight", "twice", "category", "role", "red"])
def test_a_file_that_does_not_add_up_is_refused(fault: str) -> None:
    changed: dict[str, Any] = copy.deepcopy(book())
    item = changed["items"][3]
    match fault:
        case "weight":
            item["weight"] += 1
        case "twice":
            item["key"] = changed["items"][2]["key"]
        case "category":
            item["category"] = "roof"
        case "role":
            item["rectify_role"] = "nobody"
        case "red":
            changed["scoring"]["red_line_items"].append("nothing")
    with pytest.raises(ChecklistRefused):
        load_checklist(now=NOW, source=changed)
    assert not Checklist.objects.exists()
