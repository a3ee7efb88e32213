"""The models of models.yaml with every example the domain file gives, and how the runs behave."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crm.members.models import Member
from crm.orders.models import Order
from crm.scoring.config import config
from crm.scoring.models import ScoringRun
from crm.scoring.services import (
    cut_sizes,
    last_month_end,
    rank_tiers,
    recount_all,
    recount_members,
    settle_levels,
)
from tests.factories.crm import make_member, make_order, make_store
from yejibao.core.clock import parse_iso
from yejibao.core.domain_files import read_yaml

pytestmark = pytest.mark.django_db
MODELS = read_yaml(Path(__file__).resolve().parents[3] / "crm" / "data" / "models.yaml")
NOW = parse_iso("2025-06-30 12:00")
DAY = date(2025, 6, 30)
LONG = timedelta(seconds=60)


@pytest.fixture
def store() -> Any:
    return make_store()


@pytest.fixture
def member(store: Any) -> Member:
    return make_member(store=store)


def count(*members: Member, as_of: date = DAY, **options: Any) -> list[Member]:
    recount_members([member.pk for member in members], as_of=as_of, now=NOW, **options)
    for member in members:
        member.refresh_from_db()
    return list(members)


# ---------------------------------------------------------------- life cycle and node


@pytest.mark.parametrize(
    "example", MODELS["lifecycle"]["examples"], ids=lambda one: f"{one['purchases']}-{one['stage']}"
)
def test_life_cycle_examples(member: Member, example: dict[str, Any]) -> None:
    for text in example["purchases"]:
        day, _, rest = text.partition(" ")
        hour = rest if ":" in rest else "10:00"
        status = Order.Status.RETURNED if "returned" in rest else Order.Status.PAID
        facts = {"net_amount_fen": 0, "refunded_fen": 128000} if status == Order.Status.RETURNED else {}
        make_order(member, paid_at=f"{day} {hour}", status=status, **facts)
    count(member, as_of=date.fromisoformat(example["as_of"]))
    assert member.lifecycle_stage == example["stage"]


@pytest.mark.parametrize(
    ("days", "node"), [(0, "none"), (1, "first"), (2, "repeat"), (4, "repeat"), (5, "loyal"), (6, "loyal")]
)
def test_purchase_node_by_purchase_days(member: Member, days: int, node: str) -> None:
    for day in range(days):
        make_order(member, paid_at=f"2025-05-{day + 1:02} 10:00")
        make_order(member, paid_at=f"2025-05-{day + 1:02} 20:00")
    count(member)
    assert (member.purchase_count, member.purchase_node) == (days, node)


def test_continue_rate_example_counts_from_the_nodes(store: Any) -> None:
    """The members of the domain example, a fiftieth of them: continue_rate(k) = those with k+1 / those with k."""
    example = MODELS["purchase_node"]["example"]
    members = []
    for times, people in example["members_by_count"].items():
        for _ in range(people // 10):
            member = make_member(store=store)
            for day in range(times):
                make_order(member, paid_at=f"2025-05-{day + 1:02} 10:00")
            members.append(member)
    count(*members)
    reached = {k: Member.objects.filter(purchase_count__gte=k).count() for k in example["ge"]}
    assert reached == {k: people // 10 for k, people in example["ge"].items()}
    assert {k: reached[k + 1] / reached[k] for k in example["continue_rate"]} == example["continue_rate"]


@pytest.mark.parametrize(
    "facts",
    [
        {"kind": "top_up"},
        {"kind": "group"},
        {"kind": "employee"},
        {"kind": "gift_card"},
        {"amount_fen": 0},
        {"status": "void", "net_amount_fen": 0},
        {"held": True},
    ],
)
def test_what_is_no_purchase_does_not_count(member: Member, facts: dict[str, Any]) -> None:
    make_order(member, paid_at="2025-06-01 10:00", **facts)
    count(member)
    assert (member.purchase_count, member.lifecycle_stage, member.spend_180_fen) == (0, "potential", 0)


@pytest.mark.parametrize("flag", ["is_employee", "is_test"])
def test_employees_and_test_accounts_are_left_out(store: Any, flag: str) -> None:
    member = make_member(store=store, **{flag: True})
    make_order(member, paid_at="2025-06-01 10:00")
    count(member)
    assert (member.purchase_count, member.purchase_node) == (0, "none")


def test_windows_hold_both_ends(member: Member) -> None:
    make_order(member, paid_at="2024-06-30 10:00", amount_fen=1)
    make_order(member, paid_at="2024-06-29 10:00", amount_fen=10)
    make_order(member, paid_at="2025-01-01 10:00", amount_fen=100)
    make_order(member, paid_at="2024-12-31 10:00", amount_fen=1000)
    make_order(member, paid_at="2025-07-01 00:00", amount_fen=10000)
    count(member)
    assert (member.spend_365_fen, member.spend_180_fen, member.last_purchase_on) == (1101, 100, date(2025, 1, 1))


# ---------------------------------------------------------------- level


@pytest.mark.parametrize("example", [one for one in MODELS["member_level"]["examples"] if "level" in one])
def test_level_examples(member: Member, example: dict[str, Any]) -> None:
    make_order(member, paid_at="2025-06-30 10:00", amount_fen=example["spend_180_fen"])
    count(member)
    assert (member.spend_180_fen, member.member_level) == (example["spend_180_fen"], example["level"])
    if example["level"] == "V1":
        assert (member.level_reached_at, member.level_valid_until) == (None, None)
    else:
        assert (member.level_reached_at, member.level_valid_until) == (NOW, date(2025, 12, 27))


def test_downgrade_example_falls_one_level_softly(store: Any) -> None:
    """V4 valid until 2025-06-30, 250000 fen on that day: V3 from the next day, until 2025-12-27."""
    (example,) = [one for one in MODELS["member_level"]["examples"] if "case" in one]
    member = make_member(store=store, member_level="V4", level_valid_until=date(2025, 6, 30))
    make_order(member, paid_at="2025-06-01 10:00", amount_fen=250000)
    night = parse_iso("2025-07-01 02:30")
    assert settle_levels(as_of=date(2025, 6, 29), now=night) == {"renewed": 0, "lowered": 0}
    assert settle_levels(as_of=date(2025, 6, 30), now=night) == {"renewed": 0, "lowered": 1}
    assert settle_levels(as_of=date(2025, 6, 30), now=night) == {"renewed": 0, "lowered": 0}
    member.refresh_from_db()
    assert (member.member_level, member.level_valid_until.isoformat()) == (
        example["level_next_day"],
        example["valid_until"],
    )


def test_a_level_that_is_still_earned_is_renewed(store: Any) -> None:
    member = make_member(store=store, member_level="V4", level_valid_until=date(2025, 6, 30))
    make_order(member, paid_at="2025-01-01 10:00", amount_fen=600000)
    assert settle_levels(as_of=DAY, now=NOW) == {"renewed": 1, "lowered": 0}
    member.refresh_from_db()
    assert (member.member_level, member.level_valid_until) == ("V4", date(2025, 12, 27))


def test_the_lowest_level_has_no_end(store: Any) -> None:
    member = make_member(store=store, member_level="V2", level_valid_until=date(2025, 6, 30))
    settle_levels(as_of=DAY, now=NOW)
    member.refresh_from_db()
    assert (member.member_level, member.level_valid_until) == ("V1", None)


@pytest.mark.parametrize(
    ("reached", "is_refunded", "level"),
    [("2025-05-31", True, "V1"), ("2025-05-30", True, "V4"), ("2025-06-20", False, "V4")],
    ids=["within 30 days", "31 days ago: kept", "no refund: kept"],
)
def test_a_refund_takes_a_fresh_level_back(store: Any, reached: str, is_refunded: bool, level: str) -> None:
    member = make_member(
        store=store,
        member_level="V4",
        level_reached_at=parse_iso(f"{reached} 10:00"),
        level_valid_until=date(2025, 12, 1),
        spend_180_fen=650000,
    )
    make_order(member, paid_at="2025-06-01 10:00", amount_fen=90000)
    count(member, refunded=[member.pk] if is_refunded else [])
    assert member.member_level == level


# ---------------------------------------------------------------- 631


@pytest.mark.parametrize("example", MODELS["tier_631"]["examples"], ids=lambda one: f"n={one['n']}")
def test_tier_examples(store: Any, example: dict[str, int]) -> None:
    n = example["n"]
    assert cut_sizes(n) == (example["core"], example["potential"], example["common"])
    if n > 100:
        return
    members = [make_member(store=store) for _ in range(n)]
    for place, member in enumerate(members):
        make_order(member, paid_at="2025-06-01 10:00", amount_fen=1000 + place)
    rank_tiers(as_of=DAY, now=NOW, budget=LONG)
    sizes = {tier: Member.objects.filter(tier_631=tier).count() for tier in ("core", "potential", "common")}
    assert sizes == {tier: example[tier] for tier in sizes}
    best = Member.objects.get(tier_631_rank=1)
    assert (best, best.tier_631, best.tier_631_computed_at) == (members[-1], "core", NOW)


def test_tiers_rank_by_amount_then_days_then_last_date_then_id(store: Any) -> None:
    """Each pair differs only in the next rule; the others have bought longer ago, or never."""
    names = ["most", "more days", "later", "first id", "second id", "before the year", "nothing"]
    members = {name: make_member(store=store, name=name) for name in names}
    orders = {
        "most": [("2025-02-01", 5000)],
        "more days": [("2025-02-01", 2000), ("2025-02-02", 2000)],
        "later": [("2025-03-01", 4000)],
        "first id": [("2025-02-01", 4000)],
        "second id": [("2025-02-01", 4000)],
        "before the year": [("2024-06-29", 9999999)],
    }
    for name, rows in orders.items():
        for day, fen in rows:
            make_order(members[name], paid_at=f"{day} 10:00", amount_fen=fen)
    rank_tiers(as_of=DAY, now=NOW, budget=LONG)
    ranked = Member.objects.exclude(tier_631_rank=None).order_by("tier_631_rank")
    assert list(ranked.values_list("name", "tier_631")) == [
        ("most", "core"),
        ("more days", "potential"),
        ("later", "common"),
        ("first id", "common"),
        ("second id", "common"),
    ]
    assert Member.objects.get(name="before the year").tier_631 == "lapsed"
    assert Member.objects.get(name="nothing").tier_631 == "unconsumed"


def test_tiers_inside_the_main_store_are_ranked_apart(store: Any) -> None:
    small = make_store()
    rich, poor = make_member(store=store), make_member(store=small)
    make_order(rich, paid_at="2025-06-01 10:00", amount_fen=9000)
    make_order(poor, paid_at="2025-06-01 10:00", amount_fen=10)
    rank_tiers(as_of=DAY, now=NOW, budget=LONG)
    poor.refresh_from_db()
    assert (poor.tier_631, poor.tier_631_rank, poor.tier_631_store) == ("common", 2, "core")


@pytest.mark.parametrize(("day", "as_of"), [("2025-07-01", "2025-06-30"), ("2024-03-31", "2024-02-29")])
def test_the_monthly_run_is_about_the_month_before(day: str, as_of: str) -> None:
    assert last_month_end(date.fromisoformat(day)).isoformat() == as_of


# ---------------------------------------------------------------- runs


def test_a_stopped_run_goes_on_and_a_finished_one_does_nothing(store: Any) -> None:
    members = [make_member(store=store) for _ in range(5)]
    for member in members:
        make_order(member, paid_at="2025-06-01 10:00")
    for model, run in (("purchase_node", recount_all), ("tier_631", rank_tiers)):
        stopped = run(as_of=DAY, now=NOW, budget=timedelta(0), batch=2)
        assert stopped["changed"] == 0
        assert run(as_of=DAY, now=NOW, budget=LONG, batch=2)["is_finished"] == 1
        assert ScoringRun.objects.get(model=model).counts["changed"] == 5
        again = run(as_of=DAY, now=NOW, budget=LONG, batch=2)
        assert (again["changed"], again["is_finished"]) == (0, 0)
    assert Member.objects.filter(purchase_node="first", tier_631_rank__isnull=False).count() == 5


def test_a_run_goes_on_behind_its_cursor(store: Any) -> None:
    members = [make_member(store=store) for _ in range(3)]
    for member in members:
        make_order(member, paid_at="2025-06-01 10:00")
    ScoringRun.objects.create(model="purchase_node", as_of=DAY, started_at=NOW, cursor=members[1].pk)
    recount_all(as_of=DAY, now=NOW, budget=LONG)
    assert list(Member.objects.order_by("pk").values_list("purchase_count", flat=True)) == [0, 0, 1]


def test_only_rows_that_differ_are_written(store: Any) -> None:
    members = [make_member(store=store) for _ in range(3)]
    make_order(members[0], paid_at="2025-06-01 10:00")
    ids = [member.pk for member in members]
    assert recount_members(ids, as_of=DAY, now=NOW) == 1
    assert recount_members(ids, as_of=DAY, now=NOW) == 0
    assert recount_members(ids, as_of=DAY + timedelta(days=180), now=NOW) == 1


def test_levels_come_from_the_domain_file() -> None:
    assert [(level.key, level.min_fen, level.below) for level in config().levels] == [
        ("V1", 0, "V1"),
        ("V2", 100000, "V1"),
        ("V3", 300000, "V2"),
        ("V4", 600000, "V3"),
        ("V5", 1200000, "V4"),
    ]


def test_jobs_return_counts(store: Any, clock: Any) -> None:
    from crm.scoring import jobs

    clock.travel(datetime.fromisoformat("2025-07-01T02:00:00+08:00"))
    make_order(make_member(store=store), paid_at="2025-06-01 10:00")
    assert jobs.recount_members_nightly()["changed"] == 1
    assert jobs.rank_tiers_monthly()["ranked"] == 1
    assert jobs.settle_levels_nightly() == {"renewed": 0, "lowered": 0}
