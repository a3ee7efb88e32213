"""The KPIs of models.yaml, example by example."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from tasks.followups.models import Task
from tasks.review.figures import TARGET, Figures, percent, points, rate
from tasks.review.models import TaskDay
from tasks.review.periods import read_period
from tasks.review.queries import board_of
from tasks.review.services import refresh_days
from tests.factories.crm import make_member
from tests.factories.guides import actor, make_org
from tests.factories.tasks import make_task
from yejibao.core.clock import parse_iso
from yejibao.core.domain_files import read_yaml
from yejibao.core.errors import Invalid

BOOK = read_yaml(Path(settings.BASE_DIR) / "crm" / "data" / "models.yaml")
KPIS = {row["key"]: row for row in BOOK["kpis"]}
NOW = parse_iso("2025-03-05 15:00")  # a Wednesday


@pytest.mark.parametrize("key", [key for key, row in KPIS.items() if row["unit"] == "pct" and row["example"]["den"]])
def test_each_example_of_a_rate(key: str) -> None:
    example = KPIS[key]["example"]
    assert rate(example["num"], example["den"]) == example["expected"]


def test_rates_are_rounded_half_up_and_nothing_to_divide_by_is_no_rate() -> None:
    assert rate(1, 8) == 0.125
    assert rate(1, 32) == 0.0313  # 0.03125
    assert rate(2, 3) == 0.6667
    assert rate(0, 0) is None
    assert (percent(1, 32), percent(1, 16), percent(0, 0), percent(1, 1)) == ("3.1%", "6.3%", "—", "100.0%")
    assert (points(0.784, 0.744), points(0.4, 0.5), points(0.4, 0.4), points(None, 0.4)) == ("+4", "-10", "持平", "")
    assert Figures().completion_words == "—"
    assert TARGET == KPIS["task_completion_rate"]["target"]


@pytest.mark.parametrize(
    ("key", "rows"),
    [
        ("task_completion_rate", {"done": 41, "late": 4, "open": 3, "expired": 2}),
        ("on_time_rate", {"done": 41, "late": 4, "open": 3, "expired": 2}),
        ("reach_rate", {"done": 824, "claimed": 100, "open": 76}),
        ("reply_rate", {"replied": 206, "done": 618}),
    ],
)
@pytest.mark.django_db
def test_the_examples_come_out_of_the_tasks(key: str, rows: dict[str, int]) -> None:
    org = make_org()
    member = make_member(owner=org.guide)
    due = NOW - timedelta(hours=3)
    model = make_task(member, org.guide, due_at=due, expire_at=due + timedelta(days=3))
    Task.objects.all().delete()
    made = []
    for kind, count in rows.items():
        facts: dict[str, Any] = {"state": {"open": "open", "expired": "expired"}.get(kind, "done")}
        if facts["state"] == "done":
            facts["done_at"] = due + timedelta(hours=1) if kind == "late" else due - timedelta(hours=1)
            facts["evidence_level"] = 0 if kind == "claimed" else 2
        if kind == "replied":
            facts |= {"outcome": "replied", "outcome_at": facts["done_at"] + timedelta(hours=47)}
        for _ in range(count):
            fields = {field.attname: getattr(model, field.attname) for field in Task._meta.fields if field.name != "id"}
            made.append(Task(**(fields | facts)))
    outside = {"skipped": 5, "superseded": 5, "cancelled": 5}  # in no denominator
    made += [Task(**(fields | {"state": state})) for state, count in outside.items() for _ in range(count)]
    held = {"state": "open", "held_at": due, "held_reason": "aftersale"}
    made += [Task(**(fields | held)) for _ in range(5)]
    Task.objects.bulk_create(made)
    board = board_of(
        actor(org.manager), org.store.unit, read_period({"period": "today"}, today=date(2025, 3, 5)), now=NOW
    )
    found = board.figures
    value = {
        "task_completion_rate": found.completion, "on_time_rate": found.on_time, "reach_rate": found.reach,
        "reply_rate": found.reply,
    }[key]  # fmt: skip
    assert value == KPIS[key]["example"]["expected"]
    assert found.held_count == 5


@pytest.mark.django_db
def test_rates_are_summed_up_never_averaged() -> None:
    org = make_org()
    for guide, done, late in ((org.guide, 9, 1), (org.stranger, 1, 9)):
        member = make_member(owner=guide)
        for number in range(done + late):
            facts = {"state": "done", "done_at": NOW - timedelta(hours=5)} if number < done else {}
            make_task(member, guide, now=NOW - timedelta(days=1), due_at=NOW - timedelta(hours=4), **facts)
    make_task(make_member(owner=org.guide), org.guide, now=NOW - timedelta(days=1), due_at=NOW - timedelta(hours=4))
    refresh_days(now=NOW)
    from tests.factories.guides import holder_of

    board = board_of(
        actor(holder_of("region_manager", org)), org.region, read_period({}, today=date(2025, 3, 5)), now=NOW
    )
    assert board.figures.completion == rate(10, 21)
    assert [(row.name, row.total.completion) for row in board.rows] == [
        ("南京一区", rate(9, 11)),
        ("南京二区", rate(1, 10)),
    ]
    assert TaskDay.objects.count() == 2


def test_periods_end_today_and_step_back_by_their_kind() -> None:
    today = date(2025, 3, 5)
    week, month = read_period({}, today=today), read_period({"period": "month"}, today=date(2025, 3, 31))
    assert (week.start, week.end) == (date(2025, 3, 3), today)
    assert (week.before().start, week.before().end) == (date(2025, 2, 24), date(2025, 2, 26))
    assert (month.before().start, month.before().end) == (date(2025, 2, 1), date(2025, 2, 28))
    assert month.before(3).start == date(2024, 12, 1)
    last = read_period({"period": "last_week"}, today=today)
    assert (last.start, last.end) == (date(2025, 2, 24), date(2025, 3, 2))
    own = read_period({"from": "2025-03-04", "to": "2025-04-01"}, today=today)
    assert (own.key, own.start, own.end) == ("range", date(2025, 3, 4), today)
    assert (own.before().start, own.before().end) == (date(2025, 3, 2), date(2025, 3, 3))
    assert read_period({"from": "nonsense"}, today=today).days == [today]
    assert read_period({"from": "2025-02-30", "to": "2025-03-01"}, today=today).days == [date(2025, 3, 1)]
    with pytest.raises(Invalid):
        read_period({"from": "2024-01-01", "to": "2025-03-01"}, today=today)
