"""A member's card, and what others read of his orders."""

from datetime import date
from typing import Any

import pytest

from crm.members.queries import Card, card
from crm.orders.queries import recent_lines
from tests.factories.crm import make_member, make_order, make_store
from yejibao.core.clock import parse_iso

pytestmark = pytest.mark.django_db
NOW = parse_iso("2025-03-01 15:00")


@pytest.fixture
def member() -> Any:
    return make_member(store=make_store())


def line(size: str, family: str = "西服", **facts: Any) -> dict[str, Any]:
    return {"item_name": "西服", "size": size, "family": family, "paid_fen": 1000} | facts


def test_a_card_guesses_sizes_from_the_last_three_of_a_family(member: Any, django_assert_num_queries: Any) -> None:
    sizes = ["165/84A", "180/96A", "175/92A", "175/92A"]
    for month, size in enumerate(sizes, 1):
        make_order(member, paid_at=f"2024-0{month}-10 10:00", lines=[line(size)])
    make_order(member, paid_at="2024-07-10 10:00", lines=[line("190/104A", quantity=2, returned_quantity=2)])
    make_order(member, paid_at="2024-08-10 10:00", lines=[line("39", "衬衫"), line("41", "衬衫")])
    make_order(member, paid_at="2025-02-01 10:00", lines=[line("F", "配饰")], status="returned", net_amount_fen=0)
    make_order(member, paid_at="2025-02-01 10:00", lines=[line("44", "鞋")], held=True)
    with django_assert_num_queries(1):
        found = card(member, NOW)
    assert found == Card(
        sizes={"西服": "175/92A", "衬衫": "39"},
        order_count_365=4,
        spend_365_fen=5000,
        last_paid_on=date(2024, 8, 10),
        member_since=date(2024, 1, 1),
    )


def test_a_card_without_orders_is_empty() -> None:
    assert card(make_member(registered_at=None), NOW) == Card({}, 0, 0, None, None)


def test_recent_lines_leave_out_what_went_back(member: Any, django_assert_num_queries: Any) -> None:
    other = make_member()
    old = make_order(member, paid_at="2024-01-01 10:00", lines=[line("A"), line("B", paid_fen=5000)])
    order = make_order(
        member, paid_at="2024-02-01 10:00", lines=[line("C", quantity=3, returned_quantity=1), line("D"), line("E")]
    )
    replaced, heir = order.lines.get(size="D"), order.lines.get(size="E")
    replaced.replaced_by = heir
    replaced.save()
    make_order(member, paid_at="2024-03-01 10:00", status="returned", net_amount_fen=0)
    make_order(other, paid_at="2024-03-01 10:00", lines=[line("X")])
    with django_assert_num_queries(1):
        found = recent_lines([member.pk, other.pk, 0], 3)
    assert [(one.order_id, one.size, one.quantity) for one in found[member.pk]] == [
        (order.pk, "C", 2),
        (order.pk, "E", 1),
        (old.pk, "B", 1),
    ]
    assert [one.size for one in found[other.pk]] == ["X"]
    assert recent_lines([]) == {}
