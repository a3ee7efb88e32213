"""The domain file becomes rows: once, completely, and never half understood."""

import copy
from datetime import UTC, datetime

import pytest

from guides.org.models import Staff
from tasks.cadences.loading import RuleUnreadable, load_3369, read_book, rules_of, steps_of
from tasks.cadences.models import CadenceStep, CadenceVersion

NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)


@pytest.fixture
def book():
    return copy.deepcopy(read_book("followup_3369"))


@pytest.fixture
def steps(book):
    return {step["key"]: step for step in steps_of(book)}


def test_the_first_touch_counts_in_minutes(steps):
    m30 = steps["m30"]
    assert (m30["offset_minutes"], m30["in_small"], m30["assignee"], m30["priority"]) == (30, True, "serving_guide", 1)
    assert m30["timing_rules"] == {"late_within": 120, "late_soon": 20, "late": 30, "shifted_due": 60}
    assert m30["reminders"] == [{"from": "due", "minutes": -10}, {"from": "due", "minutes": 0}]
    assert m30["escalation"] == [
        {"from": "due", "minutes": 30, "to": "store_manager", "how": "push"},
        {"from": "expire", "minutes": 0, "to": "store_manager", "how": "daily_list"},
    ]


@pytest.mark.parametrize(
    ("key", "days", "position", "priority", "target"),
    [
        ("d3", (3, 3, 6), 20, 2, 0.90),
        ("d30", (30, 32, 37), 30, 3, 0.85),
        ("d60", (60, 62, 67), 40, 4, 0.80),
        ("d90", (90, 92, 100), 50, 3, 0.80),
    ],
)
def test_the_others_count_in_days(steps, key, days, position, priority, target):
    step = steps[key]
    assert (step["open_day"], step["due_day"], step["expire_day"]) == days
    assert (step["position"], step["priority"], step["on_time_target"]) == (position, priority, target)
    assert (step["assignee"], step["task_type"]) == ("owner_guide", f"followup_{key}")


def test_reminders_on_days(steps):
    assert steps["d3"]["reminders"] == [{"day": "due", "time": "09:30"}, {"day": "due", "time": "19:30"}]
    assert steps["d30"]["reminders"] == [{"day": 30, "time": "09:30"}, {"day": 32, "time": "18:00"}]
    assert steps["d90"]["escalation"] == [{"day": 93, "time": "10:00", "to": "store_manager", "how": "daily_list"}]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("buyers", [["first", "repeat", "loyal"]] * 2 + [["first", "repeat"]] * 2 + [["first", "repeat", "loyal"]]),
        ("in_small", [True, False, False, False, False]),
        ("priority_by_buyer", [{}, {}, {"first": 2}, {"repeat": 3}, {}]),
        ("may_wait_for_return", [False, False, True, True, True]),
        ("weekly_cap_exempt", [True, True, False, False, False]),
        ("always_shown", [True, True, False, False, False]),
        ("held_by_ticket", [False, False, True, True, True]),
        ("friend_lost", ["call", "call", "skip", "skip", "call_if_valued"]),
        ("nature", ["service", "service", "mixed", "mixed", "mixed"]),
    ],
)
def test_rules_that_differ_by_node(book, column, expected):
    assert [step[column] for step in steps_of(book)] == expected


def test_a_resting_guide_gets_one_more_day_for_the_third(steps):
    assert {key: step.get("rest_day_grace", 0) for key, step in steps.items()} == {
        "m30": 0, "d3": 1, "d30": 0, "d60": 0, "d90": 0,
    }  # fmt: skip


def test_rules_of_the_whole_cadence(book):
    assert rules_of(book) == {
        "kinds": ["retail", "mall", "proxy", "live"],
        "small_below_fen": 9900,
        "delivery_days": 5,
        "latest_alteration_day": 10,
        "caps": {
            "guide_target": 15,
            "guide_shown": 30,
            "guide_3369": 20,
            "member_per_day": 1,
            "member_per_7_days": 2,
            "member_marketing_per_30_days": 4,
        },
        "spot_check_share": 0.05,
        "ticket_release_days": 2,
    }


def test_reasons_use_only_the_facts_the_engine_fills(steps):
    for step in steps.values():
        assert step["why"].format(item="藏青羊毛套西", more="等 2 件", days=30)
        assert len(step["why"]) <= 120 and len(step["headline"]) <= 40


@pytest.mark.parametrize(
    ("node", "field", "text"),
    [
        (0, "due_rule", "anchor + half an hour"),
        (0, "shift_rule", "next morning"),
        (0, "expire_rule", "midnight"),
        (1, "open_rule", "day_n(3) 10:00"),
        (2, "due_rule", "about day 32"),
        (2, "due_rule", "day_n(29) 22:00"),
        (4, "expire_rule", "day_n(91) 22:00"),
        (1, "rest_day_rule", "later"),
        (1, "assignee", "anybody"),
        (3, "reminders", [{"at": "soon", "to": "assignee"}]),
        (3, "escalation", [{"at": "day_n(63) 10:00", "to": "the_boss", "how": "push"}]),
    ],
)
def test_a_text_nobody_can_read_stops_the_load(book, node, field, text):
    book["nodes"][node][field] = text
    with pytest.raises(RuleUnreadable, match=r"nodes\.") as refused:
        steps_of(book)
    assert book["nodes"][node]["key"] in str(refused.value)


@pytest.mark.django_db
class TestLoad:
    def test_publishes_version_one_with_five_steps(self):
        version = load_3369(now=NOW)
        assert (version.cadence.key, version.number, version.state) == ("3369", 1, "published")
        assert list(version.steps.order_by("position").values_list("key", flat=True)) == [
            "m30",
            "d3",
            "d30",
            "d60",
            "d90",
        ]
        assert version.recompute_after_id is None

    def test_the_same_file_changes_nothing(self):
        first = load_3369(now=NOW)
        assert load_3369(now=NOW) == first
        assert (CadenceVersion.objects.count(), CadenceStep.objects.count()) == (1, 5)

    def test_another_file_makes_a_new_version(self, book):
        first = load_3369(now=NOW)
        book["nodes"][2]["due_rule"] = "day_n(33) 22:00"
        second = load_3369(now=NOW, book=book)
        first.refresh_from_db()
        assert (first.state, second.number, second.state) == ("retired", 2, "published")
        assert second.steps.get(key="d30").due_day == 33
        assert second.recompute_after_id == 0

    def test_what_hq_edited_is_not_overwritten_by_a_restart_or_a_release(self, book):
        first = load_3369(now=NOW)
        person = Staff.objects.create(wecom_user_id="hq1", name="周总")
        CadenceVersion.objects.filter(pk=first.pk).update(state="retired")
        edited = CadenceVersion.objects.create(
            cadence=first.cadence, number=2, state="published", rules=first.rules, created_at=NOW, published_by=person
        )
        assert load_3369(now=NOW) == edited
        book["nodes"][2]["due_rule"] = "day_n(33) 22:00"
        assert load_3369(now=NOW, book=book) == edited
        assert load_3369(now=NOW, book=book, replace_edited=True).number == 3
