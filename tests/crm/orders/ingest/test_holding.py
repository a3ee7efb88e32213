"""Held orders, dry runs, and what a batch costs."""

from datetime import UTC, datetime
from typing import Any

import pytest

from crm.members.models import Member
from crm.orders.models import Order
from crm.orders.services import release_orders
from tests.factories.crm import make_style

from .conftest import LATER, back, send, topics, words

pytestmark = pytest.mark.django_db


def test_held_orders_are_quiet_until_they_are_released(row: Any, member: Any) -> None:
    early = row("A1", paid_at="2025-02-01T10:00:00+08:00")
    assert words(send(early, row("A2"), hold=True)) == ["created", "created"]
    assert words(send(early, row("A2"), hold=True)) == ["same", "same"]
    member.refresh_from_db()
    assert (topics(), member.purchase_count) == ([], 0)
    moment = datetime(2025, 2, 2, tzinfo=UTC)
    assert release_orders(until=moment, now=moment) == 1
    assert release_orders(until=moment, now=moment) == 0
    member.refresh_from_db()
    assert (topics(), member.purchase_count) == (["crm.order_paid"], 1)
    assert Order.objects.get(number="A1").known_at == moment
    assert words(send(early, hold=True)) == ["same"]


def test_a_dry_run_answers_and_keeps_nothing(row: Any) -> None:
    send(row("A1"))
    answers = send(
        row("A1"), row("A2", member={"member_no": "N1", "name": "新人"}), row("A3", store="?"), is_dry_run=True
    )
    assert words(answers) == ["same", "created", "refused"]
    assert (Order.objects.count(), Member.objects.count(), len(topics())) == (1, 1, 1)


# ---------------------------------------------------------------- cost


@pytest.mark.parametrize("count", [1, 1000])
def test_a_batch_costs_the_same_queries_for_any_size(row: Any, count: int, django_assert_num_queries: Any) -> None:
    make_style("25FXF101-NV")
    lines = [{"sku": "25FXF101-NV", "paid_fen": 258000}]
    rows = [
        row(f"A{n}", lines=lines, member={"member_no": f"N{n}", "name": "赵一鸣", "owner_guide": "limin"})
        for n in range(count)
    ]
    with django_assert_num_queries(33):
        assert set(words(send(*rows))) == {"created"}
    with django_assert_num_queries(7):
        assert set(words(send(*rows))) == {"same"}
    for one in rows:
        one["returns"] = [back("R1", (1, 1, 258000))]
    with django_assert_num_queries(33):
        assert set(words(send(*rows, now=LATER))) == {"changed"}
