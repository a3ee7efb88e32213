"""Points of real orders: earned at the rate of the payment, frozen, taken and given back, ended, proved."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm.benefits.models import LevelChange, PointsAccount, PointsEntry, PointsLot
from crm.benefits.queries import Points, points_of
from crm.benefits.services import (
    BrokenStep,
    NothingToReturn,
    PointsShort,
    expire_points,
    give_back_points,
    prove_points,
    spend_points,
)
from crm.members.models import Member
from crm.members.services import merge_members, undo_merge
from crm.orders.services import ingest_orders, settle_points
from crm.privacy.copying import render_copy
from tests.factories.benefits import give_points, make_coupon
from tests.factories.crm import make_member, make_order
from tests.factories.guides import make_store
from yejibao.core import clock
from yejibao.core.clock import parse_iso
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system()
NOW = parse_iso("2025-06-10 12:00")


@pytest.fixture(autouse=True)
def _at_noon(clock: Any) -> None:
    clock.travel("2025-06-10 12:00")


@pytest.fixture
def member() -> Member:
    return make_member(store=make_store())


def row(member: Member, number: str, paid_at: str, fen: int, **more: Any) -> dict[str, Any]:
    assert member.main_store
    return {
        "number": number, "store": member.main_store.code, "member": {"member_no": member.member_no, "name": member.name},
        "kind": "retail", "paid_at": paid_at, "lines": [{"line_no": 1, "item_name": "西服", "quantity": 1, "paid_fen": fen}],
    } | more  # fmt: skip


def take_in(*rows: dict[str, Any], at: str = "2025-06-10 12:00") -> None:
    answers = ingest_orders(list(rows), source="till", now=parse_iso(at))
    assert {one.result for one in answers} <= {"created", "changed", "same"}, answers


def points(member: Member, at: str = "2025-06-10 12:00") -> Points:
    return points_of(member, now=parse_iso(at))


def entries(member: Member) -> list[tuple[str, int]]:
    return list(PointsEntry.objects.filter(member=member).order_by("pk").values_list("kind", "points"))


# ---------------------------------------------------------------- earning


def test_an_order_earns_at_the_rate_of_the_level_at_payment(member: Member) -> None:
    Member.objects.filter(pk=member.pk).update(member_level="V3", level_reached_at=NOW - timedelta(days=9))
    take_in(row(member, "A1", "2025-06-10 11:00", 98_050))
    assert entries(member) == [("earn", 1176)]
    assert points(member) == Points(
        1176, 0, 1176, 0, 1176, date(2026, 12, 31), next_usable_at=parse_iso("2025-06-18 00:00")
    )
    assert points(member, "2025-06-18 00:00").usable == 1176


def test_the_same_order_again_earns_nothing_more(member: Member) -> None:
    again = row(member, "A1", "2025-06-10 11:00", 98_000)
    take_in(again)
    take_in(again)
    order_ids = list(member.orders.values_list("pk", flat=True))
    settle_points(order_ids, now=NOW)
    assert entries(member) == [("earn", 980)]


def test_the_payment_that_reaches_a_level_earns_by_the_level_before(member: Member) -> None:
    take_in(row(member, "A1", "2025-06-10 11:00", 300_000))
    member.refresh_from_db()
    assert (member.member_level, entries(member)) == ("V3", [("earn", 3000)])
    take_in(row(member, "A2", "2025-06-10 11:30", 100_000))
    assert entries(member)[1:] == [("earn", 1200)]


def test_a_days_orders_in_one_batch_earn_what_they_earn_one_by_one(member: Member) -> None:
    take_in(row(member, "A2", "2025-06-10 11:30", 100_000), row(member, "A1", "2025-06-10 11:00", 300_000))
    assert sorted(entries(member)) == [("earn", 1200), ("earn", 3000)]


def test_a_member_day_counts_twice_and_only_that_day(member: Member) -> None:
    take_in(row(member, "A1", "2025-05-18 11:00", 10_000), row(member, "A2", "2025-05-19 11:00", 10_000))
    assert sorted(entries(member)) == [("earn", 100), ("earn", 200)]


@pytest.mark.parametrize("kind", ["top_up", "gift_card", "employee", "group"])
def test_some_kinds_earn_nothing(member: Member, kind: str) -> None:
    take_in(row(member, "A1", "2025-06-10 11:00", 100_000, kind=kind))
    assert entries(member) == []


def test_orders_whose_points_would_have_ended_earn_none(member: Member) -> None:
    take_in(row(member, "A1", "2023-06-10 11:00", 100_000))
    assert entries(member) == []


def test_a_parcel_is_frozen_from_the_day_it_arrives(member: Member) -> None:
    sent = row(member, "A1", "2025-06-01 11:00", 10_000, kind="mall", is_delivery=True)
    take_in(sent)
    assert points(member).next_usable_at == parse_iso("2025-06-23 00:00")
    take_in(sent | {"received_at": "2025-06-05 09:00"})
    assert points(member).next_usable_at == parse_iso("2025-06-13 00:00")


# ---------------------------------------------------------------- returns


def test_a_return_takes_back_what_its_part_had_earned(member: Member) -> None:
    """aftersale.yaml reversal: 1,280 + 320 paid, the shirt of 320 comes back: 320 points."""
    lines = [
        {"line_no": 1, "item_name": "西服", "quantity": 1, "paid_fen": 128_000},
        {"line_no": 2, "item_name": "衬衫", "quantity": 1, "paid_fen": 32_000},
    ]
    sold = row(member, "A1", "2025-06-09 11:00", 0) | {"lines": lines}
    take_in(sold)
    back = {"number": "R1", "at": "2025-06-10 10:00", "lines": [{"line_no": 2, "quantity": 1, "refund_fen": 32_000}]}
    take_in(sold | {"returns": [back]})
    assert entries(member) == [("earn", 1600), ("take_back", -320)]
    take_in(sold | {"returns": [back]})
    assert points(member).balance == 1280


def test_whatever_is_returned_in_whatever_parts_nothing_is_left_at_the_end(member: Member) -> None:
    lines = [
        {"line_no": n, "item_name": "袜", "quantity": 1, "paid_fen": fen} for n, fen in ((1, 333), (2, 333), (3, 334))
    ]
    sold = row(member, "A1", "2025-06-09 11:00", 0) | {"lines": lines}
    take_in(sold)
    returns = [
        {"number": f"R{n}", "at": f"2025-06-10 1{n}:00", "lines": [{"line_no": n, "quantity": 1, "refund_fen": fen}]}
        for n, fen in ((1, 333), (2, 333), (3, 334))
    ]
    for upto in (1, 2, 3):
        take_in(sold | {"returns": returns[:upto]}, at="2025-06-10 14:00")
    assert points(member).balance == 0


def test_points_spent_and_then_taken_back_are_owed(member: Member) -> None:
    sold = row(member, "A1", "2025-05-20 11:00", 100_000)
    take_in(sold)
    spend_points(member, 1000, key="s", subject="sale:1", now=NOW, actor=SYSTEM)
    take_in(sold | {"returns": [{"number": "R1", "at": "2025-06-10 10:00"}]})
    assert (points(member).balance, points(member).debt) == (-1000, 1000)
    take_in(row(member, "A2", "2025-06-10 11:00", 150_000))
    assert (points(member).balance, points(member).frozen, points(member).debt) == (500, 500, 0)


# ---------------------------------------------------------------- spending


def test_spending_uses_whole_steps_of_what_may_be_used(member: Member) -> None:
    give_points(member, 250)
    give_points(member, 900, usable_at=NOW + timedelta(days=1))
    with pytest.raises(BrokenStep):
        spend_points(member, 150, key="a", subject="sale:1", now=NOW, actor=SYSTEM)
    with pytest.raises(PointsShort) as refusal:
        spend_points(member, 300, key="a", subject="sale:1", now=NOW, actor=SYSTEM)
    assert (refusal.value.code, refusal.value.extra) == ("points.short", {"usable": 250})
    spent = spend_points(member, 200, key="a", subject="sale:1", now=NOW, actor=SYSTEM)
    assert spend_points(member, 200, key="a", subject="sale:1", now=NOW, actor=SYSTEM) == spent
    assert (points(member).usable, points(member).balance) == (50, 950)


def test_given_back_points_keep_their_end_but_have_thirty_days(member: Member) -> None:
    give_points(member, 100, on=date(2024, 3, 1))
    give_points(member, 100, on=date(2025, 3, 1))
    late = parse_iso("2025-12-20 12:00")
    spent = spend_points(member, 200, key="a", subject="sale:1", now=late, actor=SYSTEM)
    back = {"key": "b", "subject": "sale:1", "now": late, "actor": SYSTEM}
    assert give_back_points(spent.entry_id, points=100, **back) == 100
    assert give_back_points(spent.entry_id, points=100, **back) == 100
    assert points_of(member, now=late).expiring_on == date(2026, 12, 31)
    assert give_back_points(spent.entry_id, **back | {"key": "c"}) == 100
    assert points_of(member, now=late).expiring_on == date(2026, 1, 19)
    with pytest.raises(NothingToReturn):
        give_back_points(spent.entry_id, points=100, **back | {"key": "d"})
    assert points_of(member, now=late).balance == 200


def test_points_end_with_the_year_once(member: Member) -> None:
    give_points(member, 300, on=date(2024, 3, 1))
    give_points(member, 200, on=date(2025, 3, 1))
    last_evening, morning = parse_iso("2025-12-31 23:59"), parse_iso("2026-01-01 00:40")
    assert expire_points(now=last_evening) == {"members": 0, "points_expired": 0}
    assert expire_points(now=morning) == {"members": 1, "points_expired": 300}
    assert expire_points(now=morning) == {"members": 0, "points_expired": 0}
    assert entries(member)[-1] == ("expire", -300)
    assert prove_points(now=morning).is_balanced


# ---------------------------------------------------------------- two members are one


@pytest.mark.parametrize("spent", [0, 500])
def test_merged_members_have_one_account_and_two_again_when_it_is_undone(member: Member, spent: int) -> None:
    other = make_member(store=member.main_store)
    give_points(member, 700)
    subject = give_points(other, 500)
    if spent:  # he owes: what he had spent was taken back
        spend_points(other, 500, key="s", subject="sale:1", now=NOW, actor=SYSTEM)
        give_points(other, 0, subject=subject)
        assert points(other).balance == -500
    before = (points(member).balance, points(other).balance)
    merge = merge_members(kept=member, gone=other, actor=SYSTEM, reason="同一个人", now=NOW)
    assert (points(member).balance, points(other).balance) == (sum(before), 0)
    assert points(member).debt == 0
    assert prove_points(now=NOW).is_balanced
    undo_merge(merge, actor=SYSTEM, reason="不是同一个人", now=NOW)
    assert (points(member).balance, points(other).balance) == before
    assert prove_points(now=NOW).is_balanced


# ---------------------------------------------------------------- the proof

ACTS = st.lists(
    st.tuples(st.sampled_from(["buy", "return", "spend", "undo", "year"]), st.integers(1, 30)), min_size=3, max_size=9
)


@given(ACTS)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_ledger_balances_after_any_story(member: Member, acts: list[tuple[str, int]]) -> None:
    mine = make_member(store=member.main_store)
    sold: list[dict[str, Any]] = []
    spent: list[int] = []
    moment = parse_iso("2025-01-05 12:00")
    for number, (act, size) in enumerate(acts):
        moment += timedelta(days=9)
        at = moment.isoformat()
        if act == "buy":
            sold.append(row(mine, f"{mine.pk}-{number}", at, size * 5_000))
            take_in(sold[-1], at=at)
        elif act == "return" and sold:
            take_in(sold.pop() | {"returns": [{"number": f"R{number}", "at": at}]}, at=at)
        elif act == "spend" and (usable := points_of(mine, now=moment).usable // 100 * 100):
            spent.append(
                spend_points(
                    mine, min(usable, size * 100), key=f"{mine.pk}-{number}", subject="", now=moment, actor=SYSTEM
                ).entry_id
            )
        elif act == "undo" and spent:
            give_back_points(spent.pop(), key=f"{mine.pk}-{number}", subject="", now=moment, actor=SYSTEM)
        elif act == "year":
            moment += timedelta(days=400)
            expire_points(now=moment)
    assert prove_points(now=moment).faults == dict.fromkeys(prove_points(now=moment).faults, 0)


WRONGS = {
    "balance_is_sum_of_entries": "UPDATE crm_pointsaccount SET balance = balance + 1, left_points = left_points + 1",
    "left_is_sum_of_lots": "UPDATE crm_pointslot SET left_points = left_points - 1",
    "lot_is_left_and_used": "DELETE FROM crm_pointsuse",
    "lots_are_what_came_in": "UPDATE crm_pointslot SET points = points + 1",
    "spending_came_from_lots": "DELETE FROM crm_pointsuse",
    "order_earned_what_it_is_worth": "UPDATE crm_pointslot SET earned_points = earned_points + 1",
    "given_back_was_spent": "UPDATE crm_pointsuse SET returned_points = 1",
}


@pytest.mark.parametrize("name", WRONGS)
def test_the_proof_sees_what_is_wrong(member: Member, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    give_points(member, 500)
    spend_points(member, 200, key="a", subject="sale:1", now=NOW, actor=SYSTEM)
    call_command("points_proof", "--json")
    assert '"is_balanced": true' in capsys.readouterr().out
    with connection.cursor() as cursor:
        cursor.execute(WRONGS[name])
    assert prove_points(now=NOW).faults[name] > 0
    with pytest.raises(CommandError):
        call_command("points_proof")


def test_points_of_a_page_cost_two_statements(member: Member, django_assert_num_queries: Any) -> None:
    for points_ in (100, 200, 300):
        give_points(member, points_)
    with django_assert_num_queries(2):
        assert points(member).usable == 600


def test_settling_costs_the_same_for_one_order_and_for_ten(django_assert_num_queries: Any) -> None:
    store = make_store()
    for count in (1, 10):
        orders = [make_order(make_member(store=store), paid_at="2025-06-09 11:00") for _ in range(count)]
        with django_assert_num_queries(11):
            settle_points([order.pk for order in orders], now=NOW)


# ---------------------------------------------------------------- levels leave a history


def test_levels_are_told_as_they_came(member: Member) -> None:
    sold = row(member, "A1", "2025-06-09 11:00", 300_000)
    take_in(sold)
    take_in(sold | {"returns": [{"number": "R1", "at": "2025-06-10 10:00"}]})
    told = LevelChange.objects.filter(member=member).order_by("pk").values_list("from_level", "to_level", "reason")
    assert list(told) == [("V1", "V3", "upgrade"), ("V3", "V1", "refund")]


def test_a_members_own_copy_holds_his_points_coupons_and_levels(member: Member) -> None:
    take_in(row(member, "A1", "2025-06-09 11:00", 300_000))
    make_coupon(member)
    member.refresh_from_db()
    page = render_copy(member, now=NOW)
    assert "消费得积分" in page and "满 500 减 100" in page and "消费达标，升级" in page


def test_nobody_has_more_than_one_account_row(member: Member) -> None:
    give_points(member, 100)
    give_points(member, 100)
    assert PointsAccount.objects.filter(member=member).count() == 1
    assert PointsLot.objects.filter(member=member).count() == 2
    assert clock.now() == NOW
