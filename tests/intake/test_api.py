"""Rows by API: who may send what, what each row is told, quotas, keys, counts."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from crm.catalogue.models import Sku, StyleColor
from crm.catalogue.stock_models import StockLevel
from crm.members.models import Member, MemberIdentity
from crm.orders.models import Order
from guides.footfall.models import Footfall
from guides.org.models import Dealer, RoleAssignment, Staff, Store
from tests.factories.crm import make_member, order_row
from tests.factories.guides import make_org, make_staff, make_store
from yejibao.core import clock as product_clock
from yejibao.core.models import AuditEntry
from yejibao.intake.kinds import all_kinds
from yejibao.intake.models import Batch, RefusedRow, Source, SourceDay
from yejibao.intake.services import count_days, issue_token, revoke_token

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def world(clock: Any) -> None:
    clock.travel("2026-03-05 12:00")
    store = make_store(code="S001")
    make_member(member_no="M1", owner=make_staff(store=store, wecom_user_id="limin"))


@pytest.fixture
def token() -> str:
    return issue_token("erp", now=product_clock.now(), may_send=[kind.key for kind in all_kinds()])


@pytest.fixture
def post(client: Any, token: str) -> Any:
    def send(kind: str, *rows: Any, token: str = token, **headers: str) -> Any:
        body = json.dumps({"rows": rows}) if kind != "counts" else json.dumps(rows[0])
        return client.post(
            f"/api/v1/intake/{kind}/", body, content_type="application/json",
            headers={"Authorization": f"Bearer {token}"} | {name.replace("_", "-"): value for name, value in headers.items()},
        )  # fmt: skip

    return send


def results(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content.decode()
    return [row["result"] for row in answer.json()["results"]]


MEMBER = {"member_no": "M2", "name": "王建国", "gender": "m", "phone": "138 0013 2075", "birthday": "1988-05-20",
          "owner_guide": "LiMin", "main_store": "S001", "registered_at": "2025-01-02T10:00:00+08:00"}  # fmt: skip


def test_members_are_made_changed_and_left_alone(post: Any) -> None:
    assert results(post("members", MEMBER)) == ["created"]
    assert results(post("members", MEMBER)) == ["same"]
    assert results(post("members", MEMBER | {"name": "王建军", "phone": "13900132076", "owner_guide": ""})) == [
        "changed"
    ]
    member = Member.objects.get(member_no="M2")
    assert (member.name, member.phone, member.phone_last4, member.gender) == ("王建军", "13900132076", "2076", "m")
    assert (member.birth_year, member.birth_month, member.birth_day) == ("1988", 5, 20)
    assert (member.owner_guide.wecom_user_id, member.main_store.code, member.join_channel) == ("limin", "S001", "erp")
    assert set(MemberIdentity.objects.filter(member=member).values_list("kind", flat=True)) == {"pos_card", "phone"}


def test_a_number_given_up_leads_to_whose_it_is_now(post: Any) -> None:
    assert results(post("members", MEMBER, MEMBER | {"member_no": "M3", "name": "李四"})) == ["created"] * 2
    first, second = Member.objects.filter(member_no__in=("M2", "M3")).order_by("member_no")
    number = first.phone_index
    assert MemberIdentity.objects.get(kind="phone", value=number).member == first  # who had it first
    assert results(post("members", MEMBER | {"phone": "13900132076"})) == ["changed"]
    assert MemberIdentity.objects.get(kind="phone", value=number).member == second
    first.refresh_from_db()
    assert MemberIdentity.objects.get(kind="phone", member=first).value == first.phone_index != number
    told = AuditEntry.objects.get(action="member.corrected")
    assert (told.resource_id, told.after) == (str(first.pk), {"fields": ["phone"], "source": "erp"})


def test_each_wrong_row_is_told_alone_and_waits_in_the_queue(post: Any) -> None:
    answer = post("members", MEMBER, MEMBER | {"member_no": "M3", "phone": "123"}, {"member_no": "M4"}, 5)
    assert results(answer) == ["created", "refused", "refused", "refused"]
    assert answer.json()["counts"] == {"created": 1, "same": 0, "changed": 0, "refused": 3}
    assert answer.json()["results"][1] == {
        "key": "M3", "result": "refused", "code": "input.phone", "detail": "手机号不对",
        "errors": [{"field": "phone", "code": "input.phone", "message": "手机号不对"}],
    }  # fmt: skip
    waiting = list(RefusedRow.objects.order_by("place").values_list("key", "code", "state"))
    assert waiting == [("M3", "input.phone", "open"), ("M4", "input.required", "open"), ("", "input.malformed", "open")]
    assert "123" not in json.dumps(RefusedRow.objects.get(key="M3").cells), "a phone waits encrypted, also a wrong one"
    assert results(post("members", MEMBER | {"member_no": "M3"})) == ["created"]
    assert RefusedRow.objects.get(key="M3").state == "fixed", "it came again in order"


def test_what_is_no_number_is_not_taken_for_one(post: Any) -> None:
    product = {"sku_code": "A-1", "name": "套西", "category_l1": "西服", "color": "藏青"}
    answer = post("products", *(product | {"price_fen": fen} for fen in ("1280", 1.5, True, -1, None)))
    assert {row["errors"][0]["field"] for row in answer.json()["results"]} == {"price_fen"}
    assert results(answer) == ["refused"] * 5


def test_goods_and_stock(post: Any) -> None:
    product = {"sku_code": "A-1", "name": "套西", "category_l1": "西服", "color": "藏青", "price_fen": 258000,
               "sizes": "175/92A;180/96A", "occasions": "商务;通勤"}  # fmt: skip
    assert results(post("products", product)) == ["created"]
    assert results(
        post(
            "products",
            product,
            {"sku_code": "A-1", "name": "套西", "category_l1": "西服", "color": "藏青", "price_fen": 199000},
        )
    ) == ["same", "refused"]
    assert results(post("products", product | {"price_fen": 199000, "occasions": ""})) == ["changed"]
    style = StyleColor.objects.get()
    assert (style.price_fen, style.occasions, style.style_no) == (199000, ["商务", "通勤"], "A")
    assert style.price_since is not None  # from now on it is the later one of two tag prices
    assert list(Sku.objects.order_by("code").values_list("code", "size")) == [
        ("A-1-175/92A", "175/92A"),
        ("A-1-180/96A", "180/96A"),
    ]
    row = {"store": "S001", "sku": "A-1", "size": "175/92A", "quantity": 3}
    answer = post(
        "stock",
        row,
        row | {"quantity": 2},
        row | {"store": "S999"},
        row | {"sku": "B-1"},
        row | {"quantity": -1, "size": "L"},
    )
    assert results(answer) == ["same", "created", "refused", "refused", "refused"], "of two the newest counts"
    assert list(StockLevel.objects.values_list("store__code", "quantity", "in_transit", "source")) == [
        ("S001", 2, 0, "erp")
    ]
    assert results(post("stock", row | {"quantity": 0, "in_transit": 4})) == ["changed"]
    assert StockLevel.objects.values_list("quantity", "in_transit").get() == (0, 4)


def test_stores_stand_below_their_area_and_staff_in_their_store(post: Any) -> None:
    org = make_org()
    area = org.store.unit.parent
    store = {"code": "N1", "name": "南京新街口店", "area": area.code, "city": "南京", "opened_on": "2026-03-01"}
    assert results(post("stores", store, store | {"code": "N2", "area": "nowhere"})) == ["created", "refused"]
    made = Store.objects.get(code="N1")
    assert (made.unit.path, made.unit.level, made.city) == (f"{area.path}{made.unit_id}/", "store", "南京")
    assert results(post("stores", store | {"name": "南京新街口二店"})) == ["changed"]
    made.refresh_from_db()
    assert made.name == made.unit.name == "南京新街口二店"
    person = {"userid": "ChenJie", "name": "陈洁", "store": "N1", "phone": "13800132099", "role": "guide"}
    assert results(post("staff", person, person | {"userid": "x", "store": "N9"})) == ["created", "refused"]
    assert results(post("staff", person)) == ["same"]
    assert results(post("staff", person | {"store": "S001"})) == ["refused"], "moving is a matter of people"
    chen = Staff.objects.get(wecom_user_id="chenjie")
    assert (chen.name, chen.store, chen.phone, chen.has_usable_password()) == ("陈洁", made, "13800132099", False)
    assert list(RoleAssignment.objects.filter(staff=chen).values_list("role", "unit")) == [("guide", made.unit_id)]


def test_what_decides_who_sees_what_is_no_matter_of_a_file(post: Any) -> None:
    area = make_org().store.unit.parent
    dealers = [Dealer.objects.create(code=code, name=code) for code in ("D1", "D2")]
    store = {"code": "N1", "name": "无锡中山路店", "area": area.code, "kind": "dealer", "dealer": "D1"}
    assert results(post("stores", store, store | {"code": "N2", "kind": "self_operated"})) == ["created", "refused"]
    assert results(post("stores", store | {"dealer": "D2"}, store | {"closed_on": "2026-03-31"})) == ["refused"] * 2
    assert results(post("stores", store | {"dealer": ""})) == ["same"]
    made = Store.objects.get(code="N1")
    assert (made.dealer, made.closed_on) == (dealers[0], None)
    heads = {"userid": "wumin", "name": "吴敏", "store": "N1", "role": "store_manager"}
    assert results(post("staff", heads)) == ["refused"]
    assert RefusedRow.objects.get(kind="staff").errors[0]["message"] == "店长岗位在人员里给，这里先不写岗位"
    assert results(post("staff", heads | {"role": ""})) == ["created"]
    wu = Staff.objects.get(wecom_user_id="wumin")
    given = AuditEntry.objects.get(action="org.role_assigned", resource_id=str(wu.pk))
    assert (given.actor_kind, given.actor_name, given.resource) == ("source", "erp", "guides.Staff")
    assert (given.after["role"], given.after["unit_id"]) == ("guide", made.unit_id)
    wu.role_assignments.update(role="store_manager")
    assert results(post("staff", heads)) == ["same"], "who heads a store already may be named so"


def test_doors_count_people(post: Any) -> None:
    row = {"store": "S001", "day": "2026-03-04", "hour": 15, "entered": 42}
    assert results(post("footfall", row, row | {"hour": 24}, row | {"day": "2026-03-09", "hour": 1})) == [
        "created",
        "refused",
        "refused",
    ]
    assert results(post("footfall", row | {"entered": 50})) == ["changed"]
    assert list(Footfall.objects.values_list("day", "hour", "entered")) == [(date(2026, 3, 4), 15, 50)]


def test_orders_and_their_returns(post: Any) -> None:
    order = order_row("A1", store="S001", guide="limin", member="M1")
    assert results(post("orders", order)) == ["created"]
    back = {"number": "R1", "order": "A1", "returned_at": "2026-03-05T11:00:00+08:00"}
    answer = post("returns", back, back | {"number": "R2", "order": "A9"}, back | {"number": "R3", "line_no": 7})
    assert results(answer) == ["created", "refused", "refused"]
    assert [row["code"] for row in answer.json()["results"][1:]] == ["order.unknown", "order.return_exceeds"]
    assert results(post("returns", back)) == ["same"]
    assert (Order.objects.get().status, Order.objects.get().net_amount_fen) == ("returned", 0)


def test_a_source_sends_only_what_it_may(post: Any, client: Any) -> None:
    till = issue_token("till", now=product_clock.now())
    answer = post("members", MEMBER, token=till)
    assert (answer.status_code, answer.json()["code"]) == (403, "perm.kind")
    revoke_token("till")
    assert post("orders", {}, token=till).status_code == 401
    assert client.get("/api/v1/intake/batches/1/").status_code == 401


def test_too_much_is_told_with_the_seconds_to_wait(post: Any) -> None:
    Source.objects.filter(name="erp").update(rows_per_day=3, posts_per_minute=2)
    assert post("members", MEMBER, MEMBER | {"member_no": "M3"}).status_code == 200
    answer = post("members", MEMBER, MEMBER | {"member_no": "M3"})
    assert (answer.status_code, answer.json()["code"], int(answer["Retry-After"]) > 0) == (429, "rate.limited", True)
    Source.objects.filter(name="erp").update(rows_per_day=1000)
    assert post("members", MEMBER).status_code == 429, "the third post of the minute"


def test_one_key_one_answer(post: Any) -> None:
    first = post("members", MEMBER, Idempotency_Key="k1")
    again = post("members", MEMBER, Idempotency_Key="k1")
    assert first.json() == again.json()
    assert again["Idempotency-Replayed"] == "true"
    assert Batch.objects.count() == 1
    assert post("members", MEMBER | {"name": "别人"}, Idempotency_Key="k1").json()["code"] == "idempotency.mismatch"


def test_a_batch_can_be_asked_for_by_its_source_alone(post: Any, client: Any, token: str) -> None:
    number = post("members", MEMBER).json()["batch"]
    told = client.get(f"/api/v1/intake/batches/{number}/", headers={"Authorization": f"Bearer {token}"})
    assert (told.status_code, told.json()["state"], told.json()["counts"]["created"]) == (200, "done", 1)
    other = issue_token("other", now=product_clock.now())
    assert (
        client.get(f"/api/v1/intake/batches/{number}/", headers={"Authorization": f"Bearer {other}"}).status_code == 404
    )


def test_what_a_source_says_it_sent_is_held_against_what_came(post: Any) -> None:
    post("members", MEMBER, {"member_no": "M4"})
    count_days(today=product_clock.today())
    told = post("counts", {"kind": "members", "day": "2026-03-05", "rows": 3}).json()
    assert told == {
        "kind": "members",
        "day": "2026-03-05",
        "told": 3,
        "received": 2,
        "committed": 1,
        "refused": 1,
        "is_even": False,
    }
    assert post("counts", {"kind": "members", "day": "2026-03-05", "rows": 2}).json()["is_even"] is True
    assert post("counts", {"kind": "members", "day": "2027-03-05", "rows": 2}).status_code == 422
    assert SourceDay.objects.count() == 1


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"rows": 5}', b'{"rows": []}', b"\xff\xfe", b'{"rows": [' + b"[" * 5000]
)
def test_bad_bodies_are_refused_in_our_words(client: Any, token: str, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    answer = client.post("/api/v1/intake/members/", body, content_type="application/json", headers=headers)
    assert answer.status_code in (400, 422)
    assert answer["Content-Type"] == "application/problem+json"


def test_odd_texts_break_nothing(post: Any) -> None:
    odd = ["\x00", "\ud800", "a" * 5000, {"a": 1}, [1], 1e308, "'; DROP TABLE crm_member; --", "%s %(x)s {}"]
    answer = post(
        "members", *({"member_no": value, "name": value, "phone": value, "x" + str(value)[:9]: 1} for value in odd)
    )
    assert set(results(answer)) == {"refused"}
    assert results(post("members", {"member_no": "%s'", "name": "%(a)s';--"})) == ["created"]
