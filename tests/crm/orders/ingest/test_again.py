"""What a repeated or changed row does: returns, exchanges, corrections, void."""

from datetime import timedelta
from typing import Any

import pytest

from crm.orders.models import Order, OrderChange
from tests.factories.crm import make_member, make_staff
from yejibao.core.clock import parse_iso
from yejibao.core.outbox.models import OutboxEvent

from .conftest import LATER, back, send, topics, words

pytestmark = pytest.mark.django_db
TWO_LINES = [
    {"line_no": 1, "item_name": "西服", "size": "175/92A", "quantity": 1, "paid_fen": 128000},
    {"line_no": 2, "item_name": "衬衫", "size": "40", "quantity": 2, "paid_fen": 32000},
]


def test_a_partial_return_lowers_the_amount_and_the_line(row: Any) -> None:
    send(row(lines=TWO_LINES))
    changed = row(lines=TWO_LINES, returns=[back("R1", (2, 1, 16000))])
    assert words(send(changed, now=LATER)) == ["changed"]
    assert words(send(changed, now=LATER)) == ["same"]
    order = Order.objects.get()
    assert (order.status, order.refunded_fen, order.net_amount_fen) == ("paid", 16000, 144000)
    assert list(order.lines.order_by("line_no").values_list("returned_quantity", flat=True)) == [0, 1]
    event = OutboxEvent.objects.get(topic="crm.order_returned")
    assert event.payload == {"order_id": order.pk, "is_full": False, "returned_at": "2025-03-03T03:00:00+00:00"}
    assert OrderChange.objects.get().refund_fen == 16000


@pytest.mark.parametrize(
    "returns",
    [
        [back("R1", (1, 1, 128000), (2, 2, 32000))],
        [back("R1", (2, 2, 32000)), back("R2", (1, 1, 128000))],
        [{"number": "R1", "at": "2025-03-03T11:00:00+08:00"}],
        [back("R1", (1, 1, 120000), (2, 2, 30000))],
    ],
    ids=["at once", "in two parts", "everything that is left", "a fee was kept"],
)
def test_a_full_return_leaves_nothing(row: Any, member: Any, returns: list[Any]) -> None:
    send(row(lines=TWO_LINES))
    member.refresh_from_db()
    assert (member.purchase_count, member.lifecycle_stage) == (1, "new")
    send(row(lines=TWO_LINES, returns=returns), now=LATER)
    order = Order.objects.get()
    assert (order.status, order.net_amount_fen) == ("returned", 0)
    assert OutboxEvent.objects.filter(topic="crm.order_returned").last().payload["is_full"] is True
    member.refresh_from_db()
    assert (member.purchase_count, member.lifecycle_stage, member.last_purchase_on) == (0, "potential", None)


def test_more_than_was_bought_does_not_come_back(row: Any) -> None:
    send(row(lines=TWO_LINES, returns=[back("R1", (2, 1, 16000), at="2025-03-01T15:02:00+08:00")]))
    twice = row(lines=TWO_LINES, returns=[back("R2", (2, 2, 16000))])
    assert send(twice, now=LATER)[0].code == "order.return_exceeds"
    order = Order.objects.get()
    assert (order.net_amount_fen, order.changes.count()) == (144000, 1)


def test_an_exchange_puts_another_line_in_its_place(row: Any) -> None:
    send(row(lines=TWO_LINES))
    swap = {
        "number": "E1", "at": "2025-03-03T11:00:00+08:00", "line_no": 1,
        "with": {"item_name": "西服", "size": "180/96A", "quantity": 1, "paid_fen": 138000},
    }  # fmt: skip
    assert words(send(row(lines=TWO_LINES, exchanges=[swap]), now=LATER)) == ["changed"]
    order = Order.objects.get()
    old, new = order.lines.get(line_no=1), order.lines.get(line_no=3)
    assert (old.replaced_by, new.size) == (new, "180/96A")
    assert (order.paid_fen, order.refunded_fen, order.net_amount_fen) == (170000, 0, 170000)
    # The new one comes back, the note changes: the dearer amount is no correction of the sale.
    final = row(lines=TWO_LINES, exchanges=[swap], note="换大一码", returns=[back("R1", (3, 1, 138000))])
    assert words(send(final, now=LATER)) == ["changed"]
    order.refresh_from_db()
    assert (order.status, order.net_amount_fen, order.guide_note) == ("paid", 32000, "换大一码")
    assert topics() == ["crm.order_paid", "crm.order_exchanged", "crm.order_corrected", "crm.order_returned"]


def test_a_cheaper_exchange_pays_back(row: Any) -> None:
    send(row(lines=TWO_LINES))
    swap = {"number": "E1", "at": "2025-03-03T11:00:00+08:00", "line_no": 1, "with": {"paid_fen": 100000}}
    send(row(lines=TWO_LINES, exchanges=[swap]), now=LATER)
    order = Order.objects.get()
    assert (order.paid_fen, order.refunded_fen, order.net_amount_fen) == (160000, 28000, 132000)


def test_a_receipt_is_noted_once(row: Any) -> None:
    send(row(kind="mall", is_delivery=True))
    received = row(kind="mall", is_delivery=True, received_at="2025-03-03T18:00:00+08:00")
    assert words(send(received, now=LATER)) == ["changed"]
    assert words(send(received, now=LATER)) == ["same"]
    assert Order.objects.get().received_at == parse_iso("2025-03-03 18:00")
    assert topics() == ["crm.order_paid", "crm.order_received"]


def test_a_correction_replaces_lines_and_amount_and_guide(row: Any, store: Any) -> None:
    other = make_staff(store=store, wecom_user_id="wangfang")
    send(row(lines=TWO_LINES))
    corrected = row(guide="wangfang", lines=[TWO_LINES[0] | {"size": "180/96A"}, {"line_no": 3, "paid_fen": 5000}])
    assert words(send(corrected, now=LATER)) == ["changed"]
    order = Order.objects.get()
    assert (order.guide_id, order.paid_fen, order.net_amount_fen) == (other.pk, 133000, 133000)
    assert list(order.lines.order_by("line_no").values_list("line_no", "size")) == [(1, "180/96A"), (3, "")]
    assert topics() == ["crm.order_paid", "crm.order_corrected"]
    assert words(send(row(lines=TWO_LINES), now=LATER + timedelta(hours=1))) == ["changed"]
    assert Order.objects.get().net_amount_fen == 160000


@pytest.mark.parametrize("facts", [{"paid_at": "2025-03-01T14:00:00+08:00"}, {"member": "M2"}, {"member": None}])
def test_time_and_member_are_not_corrected(row: Any, facts: dict[str, Any]) -> None:
    make_member(member_no="M2")
    send(row())
    assert send(row(**facts), now=LATER)[0].code == "order.identity_changed"


def test_a_member_may_be_named_later(row: Any, member: Any) -> None:
    send(row(member=None))
    assert words(send(row(), now=LATER)) == ["changed"]
    assert Order.objects.get().member_id == member.pk
    member.refresh_from_db()
    assert member.purchase_count == 1


def test_a_returned_order_keeps_its_lines(row: Any) -> None:
    send(row(lines=TWO_LINES, returns=[back("R1", (2, 1, 1), at="2025-03-01T15:02:00+08:00")]))
    assert send(row(lines=TWO_LINES[:1]), now=LATER)[0].code == "order.lines_final"
    assert words(send(row(lines=TWO_LINES, note="补备注"), now=LATER)) == ["changed"]


def test_a_void_order_counts_for_nothing_and_stays_void(row: Any, member: Any) -> None:
    send(row())
    assert words(send(row(status="void"), now=LATER)) == ["changed"]
    assert words(send(row(status="void"), now=LATER)) == ["same"]
    assert send(row(), now=LATER)[0].code == "order.is_void"
    order = Order.objects.get()
    assert (order.status, order.net_amount_fen) == ("void", 0)
    member.refresh_from_db()
    assert member.purchase_count == 0
