"""Two connections post at the same moment: one order each, one event each, nobody locked out."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from crm.members.models import FriendLink, Member, OwnershipTransfer
from crm.orders.models import Order, OrderChange
from crm.orders.services import ingest_orders, release_orders
from tests.factories.crm import make_member, make_order, make_staff, make_store, order_row
from tests.races.at_once import at_once, in_peace
from yejibao.core.clock import parse_iso
from yejibao.core.outbox.models import OutboxEvent

pytestmark = pytest.mark.django_db(transaction=True)
NOW = parse_iso("2025-03-01 15:05")


def together(*works: Callable[[], Any]) -> list[Any]:
    return [in_peace(answer) for answer in at_once(*works)]


def send(rows: list[Any]) -> Counter[str]:
    return Counter(result.result for result in ingest_orders(rows, source="till", now=NOW))


@pytest.fixture
def store() -> Any:
    store = make_store(code="S001")
    make_staff(store=store, wecom_user_id="limin")
    return store


def rows_of(count: int, **facts: Any) -> list[dict[str, Any]]:
    return [order_row(f"A{n:04}", store="S001", guide="limin", **facts) for n in range(count)]


def test_the_same_batch_twice_at_once_is_one_batch(store: Any) -> None:
    rows = [row | {"member": {"member_no": f"N{n % 40:03}", "name": "赵一鸣", "owner_guide": "limin",
                              "friend_external_id": f"wm{n % 40}"}}
            for n, row in enumerate(rows_of(200))]  # fmt: skip
    backwards = rows[::-1]
    answers = together(*[lambda: send(rows), lambda: send(backwards), lambda: send(rows)])
    assert sum(answers, Counter()) == {"created": 200, "same": 400}
    assert (Order.objects.count(), OutboxEvent.objects.count()) == (200, 200)
    assert (Member.objects.count(), FriendLink.objects.count()) == (40, 40)
    assert set(Member.objects.values_list("purchase_count", "spend_180_fen")) == {(1, 640000)}


def test_two_orders_of_one_member_at_one_instant_both_count(store: Any) -> None:
    member = make_member(member_no="M1")
    together(
        lambda: send([order_row("A1", store="S001", guide="limin", member="M1")]),
        lambda: send([order_row("A2", store="S001", guide="limin", member="M1")]),
    )
    member.refresh_from_db()
    assert (member.purchase_count, member.spend_180_fen) == (1, 256000)
    assert OwnershipTransfer.objects.count() == 1
    assert OutboxEvent.objects.count() == 2


def test_batches_that_share_members_in_another_order_do_not_lock_each_other(store: Any) -> None:
    members = [make_member(member_no=f"M{n:03}") for n in range(60)]
    forth = [order_row(f"F{n}", store="S001", guide="limin", member=m.member_no) for n, m in enumerate(members)]
    back = [order_row(f"B{n}", store="S001", guide="limin", member=m.member_no) for n, m in enumerate(members[::-1])]
    assert together(lambda: send(forth), lambda: send(back)) == [Counter(created=60), Counter(created=60)]
    assert set(Member.objects.values_list("purchase_count", "spend_180_fen")) == {(1, 256000)}
    assert OwnershipTransfer.objects.count() == 60


def test_the_same_return_twice_at_once_counts_once(store: Any) -> None:
    rows = rows_of(50)
    send(rows)
    for row in rows:
        row["returns"] = [{"number": "R1", "at": "2025-03-01T15:01:00+08:00"}]
    answers = together(lambda: send(rows), lambda: send(rows[::-1]))
    assert sum(answers, Counter()) == {"changed": 50, "same": 50}
    assert set(Order.objects.values_list("status", "net_amount_fen")) == {("returned", 0)}
    assert OrderChange.objects.count() == 50
    assert OutboxEvent.objects.filter(topic="crm.order_returned").count() == 50


def test_held_orders_are_released_once(store: Any) -> None:
    member = make_member()
    for n in range(20):
        make_order(member, paid_at=f"2025-02-{n + 1:02} 10:00", store=store, held=True)
    assert sum(together(*[lambda: release_orders(until=NOW, now=NOW)] * 3)) == 20
    assert OutboxEvent.objects.count() == 20
    member.refresh_from_db()
    assert member.purchase_count == 20
