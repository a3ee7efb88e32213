"""Orders come in by batches: what is kept, what is refused by field and code, and whose it is."""

from typing import Any

import pytest

from crm.members.models import FriendLink, Member, OwnershipTransfer
from crm.orders.models import Order, OrderLine
from crm.orders.services import TooManyRows, ingest_orders
from tests.factories.crm import make_member, make_staff, make_style
from yejibao.core.clock import parse_iso
from yejibao.core.outbox.models import OutboxEvent

from .conftest import NOW, send, topics, words

pytestmark = pytest.mark.django_db


def test_an_order_comes_in_with_its_lines_and_tells_once(row: Any, member: Any) -> None:
    (result,) = send(row())
    order = Order.objects.get()
    assert (result.result, result.order_id) == ("created", order.pk)
    assert (order.paid_at, order.known_at) == (parse_iso("2025-03-01 15:00"), NOW)
    assert (order.paid_on.isoformat(), order.net_amount_fen, order.member_id) == ("2025-03-01", 128000, member.pk)
    assert list(OrderLine.objects.values_list("line_no", "size", "care_key", "paid_fen")) == [
        (1, "175/92A", "suit_wool", 128000)
    ]
    assert OutboxEvent.objects.get().payload == {"order_id": order.pk}
    assert words(send(row())) == ["same"]
    assert topics() == ["crm.order_paid"]


def test_a_batch_of_another_source_is_another_order(row: Any) -> None:
    assert words(send(row())) == ["created"]
    assert words(ingest_orders([row()], source="mall", now=NOW)) == ["created"]


def test_a_good_row_is_kept_beside_bad_ones(row: Any) -> None:
    results = send(row("A1"), row("A2", store="S999"), "nonsense", row("A3"))
    assert words(results) == ["created", "refused", "refused", "created"]
    assert (results[1].code, results[1].detail, results[1].errors[0]["field"]) == (
        "order.store_unknown",
        "没有这家门店",
        "store",
    )


LINE = {"line_no": 1, "item_name": "藏青羊毛套西", "paid_fen": 128000}


@pytest.mark.parametrize(
    ("facts", "field", "code"),
    [
        ({"number": None}, "number", "input.required"),
        ({"number": "   "}, "number", "input.required"),
        ({"number": 17}, "number", "input.malformed"),
        ({"number": "x" * 65}, "number", "input.too_long"),
        ({"number": "a\x00b"}, "number", "input.malformed"),
        ({"note": "\ud800"}, "note", "input.malformed"),
        ({"note": "长" * 256}, "note", "input.too_long"),
        ({"store": "S999"}, "store", "order.store_unknown"),
        ({"store": None}, "store", "input.required"),
        ({"guide": "nobody"}, "guide", "order.guide_unknown"),
        ({"member": "M404"}, "member", "order.member_unknown"),
        ({"member": {"phone": "12"}}, "member.phone", "order.phone_invalid"),
        ({"member": {"name": "王"}}, "member.member_no", "input.required"),
        ({"member": 5}, "member", "input.malformed"),
        ({"kind": "barter"}, "kind", "order.kind_unknown"),
        ({"kind": None}, "kind", "input.required"),
        ({"paid_at": "2025-03-01T15:20:00+08:00"}, "paid_at", "order.time_in_future"),
        ({"paid_at": "2125-03-01T15:20:00+08:00"}, "paid_at", "order.time_in_future"),
        ({"paid_at": "1989-12-31T15:20:00+08:00"}, "paid_at", "order.time_too_old"),
        ({"paid_at": "0001-01-01T00:00:00+14:00"}, "paid_at", "input.malformed"),
        ({"paid_at": "2025-03-01"}, "paid_at", "input.malformed"),
        ({"paid_at": "gestern um 15:00"}, "paid_at", "input.malformed"),
        ({"paid_at": 1740812400}, "paid_at", "input.malformed"),
        ({"received_at": "2025-02-28T15:00:00+08:00"}, "received_at", "order.change_before_payment"),
        ({"lines": None}, "lines", "input.required"),
        ({"lines": []}, "lines", "input.required"),
        ({"lines": {}}, "lines", "input.malformed"),
        ({"lines": [3]}, "lines.0", "input.malformed"),
        ({"lines": [LINE | {"paid_fen": 1.5}]}, "lines.0.paid_fen", "input.malformed"),
        ({"lines": [LINE | {"paid_fen": 1e3}]}, "lines.0.paid_fen", "input.malformed"),
        ({"lines": [LINE | {"paid_fen": "100"}]}, "lines.0.paid_fen", "input.malformed"),
        ({"lines": [LINE | {"paid_fen": True}]}, "lines.0.paid_fen", "input.malformed"),
        ({"lines": [LINE | {"paid_fen": -1}]}, "lines.0.paid_fen", "input.out_of_range"),
        ({"lines": [LINE | {"paid_fen": 10**19}]}, "lines.0.paid_fen", "input.out_of_range"),
        ({"lines": [LINE | {"quantity": 0}]}, "lines.0.quantity", "input.out_of_range"),
        ({"lines": [LINE | {"care_key": "spacesuit"}]}, "lines.0.care_key", "order.care_key_unknown"),
        ({"lines": [LINE | {"color": "很长很长很长很长很长很长很长很长很长"}]}, "lines.0.color", "input.too_long"),
        ({"lines": [LINE, LINE]}, "lines", "order.line_twice"),
        ({"paid_fen": 127999}, "paid_fen", "order.amount_mismatch"),
        ({"paid_fen": -1}, "paid_fen", "input.out_of_range"),
        ({"is_gift": "yes"}, "is_gift", "input.malformed"),
        ({"status": "maybe"}, "status", "input.choice"),
        ({"\x00duplicate": "number"}, "number", "input.malformed"),
        ({"returns": [{"number": "R1", "at": "2025-02-01T10:00:00+08:00"}]}, "returns", "order.change_before_payment"),
        (
            {"returns": [{"number": "R1", "at": "2025-03-01T15:01:00+08:00", "lines": [
                {"line_no": 1, "quantity": 2, "refund_fen": 1}]}]},
            "returns", "order.return_exceeds",
        ),
        (
            {"returns": [{"number": "R1", "at": "2025-03-01T15:01:00+08:00", "lines": [
                {"line_no": 1, "quantity": 1, "refund_fen": 128001}]}]},
            "returns", "order.refund_exceeds",
        ),
        (
            {"returns": [{"number": "R1", "at": "2025-03-01T15:01:00+08:00", "lines": [
                {"line_no": 9, "quantity": 1, "refund_fen": 1}]}]},
            "returns", "order.line_unknown",
        ),
    ],
)  # fmt: skip
def test_a_bad_row_is_refused_by_field_and_code(row: Any, facts: dict[str, Any], field: str, code: str) -> None:
    bad, good = send(row(**facts), row("GOOD"))
    assert (bad.result, bad.code) == ("refused", code)
    assert field in [error["field"] for error in bad.errors]
    assert bad.detail
    assert good.result == "created"
    assert Order.objects.count() == 1


def test_all_that_is_wrong_is_named_at_once(row: Any) -> None:
    (result,) = send(row(kind="barter", paid_at="soon", lines=[{"paid_fen": -3}]))
    assert [error["field"] for error in result.errors] == ["kind", "paid_at", "lines.0.paid_fen"]


def test_a_number_twice_in_a_batch_keeps_the_first(row: Any) -> None:
    assert words(send(row("A1"), row("A1"), row("A1", note="另一张"))) == ["created", "same", "refused"]


def test_more_than_a_thousand_rows_are_refused_as_a_whole(row: Any) -> None:
    with pytest.raises(TooManyRows):
        send(*[row(f"A{n}") for n in range(1001)])


def test_a_walk_in_customer_has_no_member(row: Any) -> None:
    assert words(send(row(member=None))) == ["created"]
    assert Order.objects.get().member_id is None


@pytest.mark.parametrize("text", ["M1", "13800132075", "138 0013 2075", "+86 138-0013-2075"])
def test_a_member_is_found_by_card_number_or_phone(row: Any, member: Any, text: str) -> None:
    send(row(member=text))
    assert Order.objects.get().member_id == member.pk


def test_a_phone_of_two_members_is_not_guessed(row: Any) -> None:
    make_member(member_no="M2", phone="13800132075")
    assert send(row(member="13800132075"))[0].code == "order.member_ambiguous"


def test_a_new_member_is_created_once_with_owner_store_and_friend(row: Any, store: Any, guide: Any) -> None:
    described = {
        "member_no": "N7", "phone": "13900001234", "name": "赵一鸣", "owner_guide": "limin", "phone_consent": True,
        "friend_external_id": "wmN7",
    }  # fmt: skip
    assert words(send(row("A1", member=described), row("A2", member=described))) == ["created", "created"]
    member = Member.objects.get(member_no="N7")
    assert (member.name, member.phone, member.owner_guide_id, member.main_store_id) == (
        "赵一鸣",
        "13900001234",
        guide.pk,
        store.pk,
    )
    assert member.phone_consent and member.purchase_count == 1
    assert FriendLink.objects.get(member=member, guide=guide).added_at == parse_iso("2025-03-01 15:00")
    send(row("A3", member=described | {"name": "别的名字"}), row("A4", member="13900001234"))
    assert Order.objects.filter(member=member).count() == 4
    assert Member.objects.get(member_no="N7").name == "赵一鸣"


def test_a_new_member_known_only_by_phone_gets_one_number(row: Any) -> None:
    described = {"phone": "13900001234", "name": "赵一鸣"}
    send(row("A1", member=described))
    send(row("A2", member=described | {"phone": "139 0000 1234"}))
    assert Member.objects.exclude(member_no="M1").count() == 1


def test_the_first_qualifying_order_gives_a_member_his_guide(row: Any, store: Any, guide: Any) -> None:
    alone = make_member(member_no="M9")
    send(row("A0", member="M9", guide=None), row("A1", member="M9", kind="top_up"))
    alone.refresh_from_db()
    assert (alone.owner_guide_id, alone.main_store_id) == (None, store.pk)
    other = make_staff(store=store)
    later = parse_iso("2025-03-01 15:03").isoformat()
    send(row("A3", member="M9", guide=other.wecom_user_id, paid_at=later), row("A2", member="M9"))
    alone.refresh_from_db()
    assert alone.owner_guide_id == guide.pk
    assert list(OwnershipTransfer.objects.values_list("member_id", "from_guide_id", "to_guide_id", "reason")) == [
        (alone.pk, None, guide.pk, "first_purchase")
    ]


def test_what_the_till_leaves_out_comes_from_the_catalogue(row: Any) -> None:
    make_style("25FXF101-NV")
    send(row(lines=[{"sku": "25FXF101-NV", "paid_fen": 258000, "size": "175/92A"}, {"sku": "X", "paid_fen": 0}]))
    assert list(OrderLine.objects.order_by("line_no").values_list("item_name", "color", "family", "care_key")) == [
        ("抗皱羊毛修身套西", "藏青", "西服", "suit_wool"),
        ("", "", "", ""),
    ]
