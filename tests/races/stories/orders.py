"""Orders come in twice, and at the same moment."""

from collections import Counter
from typing import Any

from crm.members.models import FriendLink, Member
from crm.orders.models import Order
from crm.orders.services import ingest_orders, release_orders
from tests.factories.crm import make_member, make_order, order_row
from tests.races.at_once import overtaken
from tests.races.world import NOON, World, events


def _send(*rows: Any) -> Counter[str]:
    return Counter(result.result for result in ingest_orders(rows, source="till", now=NOON))


def _row(world: World, number: str, **facts: Any) -> dict[str, Any]:
    return order_row(number, store=world.org.store.code, guide=world.org.guide.wecom_user_id, **facts)


def a_batch_twice(world: World) -> None:
    rows = [_row(world, f"A{n}") for n in range(3)]
    both = overtaken(lambda: _send(*rows), lambda: _send(*rows))
    assert (both.first, both.second) == (Counter(created=3), Counter(same=3))
    assert (Order.objects.count(), events("crm.order_paid")) == (3, 3)


def a_new_member_in_two_batches(world: World) -> None:
    member = {
        "member_no": "N1",
        "name": "赵一鸣",
        "owner_guide": world.org.guide.wecom_user_id,
        "friend_external_id": "wm1",
    }
    both = overtaken(
        lambda: _send(_row(world, "A1", member=member)),
        lambda: _send(_row(world, "A2", member=member)),
    )
    assert (both.first, both.second) == (Counter(created=1), Counter(created=1))
    assert (Member.objects.count(), FriendLink.objects.count()) == (1, 1)


def two_orders_of_one_member_both_count(world: World) -> None:
    member = world.member(member_no="M1")
    overtaken(lambda: _send(_row(world, "A1", member="M1")), lambda: _send(_row(world, "A2", member="M1")))
    member.refresh_from_db()
    assert (member.purchase_count, member.spend_180_fen) == (1, 256000)


def a_return_twice(world: World) -> None:
    row = _row(world, "A1")
    _send(row)
    row["returns"] = [{"number": "R1", "at": "2025-03-01T15:01:00+08:00"}]
    both = overtaken(lambda: _send(row), lambda: _send(row))
    assert (both.first, both.second, events("crm.order_returned")) == (Counter(changed=1), Counter(same=1), 1)


def held_orders_released_twice(world: World) -> None:
    make_order(make_member(), paid_at="2025-03-01 10:00", store=world.org.store, held=True)
    both = overtaken(*[lambda: release_orders(until=NOON, now=NOON)] * 2)
    assert (both.first, both.second, events("crm.order_paid")) == (1, 0, 1)
