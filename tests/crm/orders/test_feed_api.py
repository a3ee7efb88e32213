"""The feed over HTTP: who may post, what is answered, and what bad input gets."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from crm.orders.models import Order
from tests.factories.crm import make_member, make_staff, make_store, order_row
from yejibao.intake.models import Batch, Source

pytestmark = pytest.mark.django_db
URL = "/api/v1/feed/orders"


@pytest.fixture(autouse=True)
def world(clock: Any) -> None:
    clock.travel("2025-03-01 15:05")
    store = make_store(code="S001")
    make_member(member_no="M1", owner=make_staff(store=store, wecom_user_id="limin"))


@pytest.fixture
def token() -> str:
    out = StringIO()
    call_command("feed_token", "pos", stdout=out, stderr=StringIO())
    return out.getvalue().strip()


@pytest.fixture
def post(client: Any, token: str) -> Any:
    def send(body: Any, *, token: str = token, **headers: str) -> Any:
        raw = body if isinstance(body, (bytes, str)) else json.dumps(body)
        return client.post(
            URL, raw, content_type="application/json", headers={"Authorization": f"Bearer {token}"} | headers
        )

    return send


def row(number: str = "A1", **facts: Any) -> dict[str, Any]:
    return order_row(number, **({"store": "S001", "guide": "limin", "member": "M1"} | facts))


def test_each_row_gets_its_answer(post: Any) -> None:
    answer = post({"orders": [row("A1"), row("A2", store="S9"), row("A3")]})
    assert answer.status_code == 200
    told = answer.json()
    assert told.pop("batch") == Batch.objects.get().pk
    assert told == {
        "results": [
            {"number": "A1", "result": "created"},
            {
                "number": "A2",
                "result": "refused",
                "code": "order.store_unknown",
                "detail": "没有这家门店",
                "errors": [{"field": "store", "code": "order.store_unknown", "message": "没有这家门店"}],
            },
            {"number": "A3", "result": "created"},
        ],
        "counts": {"created": 2, "same": 0, "changed": 0, "refused": 1},
    }
    assert post([row("A1")]).json()["counts"]["same"] == 1
    assert set(Order.objects.values_list("source", flat=True)) == {"pos"}


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer nonsense", "Basic YTpi", "bearer\t"])
def test_without_a_token_nothing_is_read(client: Any, header: str) -> None:
    answer = client.post(
        URL, json.dumps([row()]), content_type="application/json", headers={"Authorization": header} if header else {}
    )
    assert (answer.status_code, answer.json()["code"]) == (401, "auth.token")
    assert answer["Content-Type"] == "application/problem+json"
    assert Order.objects.count() == 0


def test_a_new_token_ends_the_old_one_and_revoking_ends_both(post: Any, token: str) -> None:
    out = StringIO()
    call_command("feed_token", "pos", stdout=out, stderr=StringIO())
    assert post([row()]).status_code == 401
    assert post([row()], token=out.getvalue().strip()).status_code == 200
    call_command("feed_token", "pos", "--revoke", stdout=StringIO())
    assert post([row()], token=out.getvalue().strip()).status_code == 401
    assert Source.objects.count() == 1
    with pytest.raises(CommandError):
        call_command("feed_token", "other", "--revoke")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"\xff\xfe\x00",
        "单号,金额".encode("gbk"),
        b'{"orders": [NaN]}',
        b'{"orders": {}}',
        b'"orders"',
        b"17",
        b"[" * 100_000,
        b'{"orders": [' + b"9" * 5000 + b"]}",
    ],
    ids=["cut", "empty", "bytes", "gbk", "NaN", "no list", "text", "number", "deep", "long number"],
)
def test_what_is_not_json_is_malformed(post: Any, body: bytes) -> None:
    answer = post(body)
    assert (answer.status_code, answer.json()["code"]) == (400, "input.malformed")


def test_too_many_rows_and_none_are_invalid(post: Any) -> None:
    for rows in ([{}] * 1001, []):
        answer = post({"orders": rows})
        assert (answer.status_code, answer.json()["code"]) == (422, "input.invalid")


def test_ten_megabytes_are_the_most(post: Any) -> None:
    blank = " " * (10 * 1024 * 1024 - len(json.dumps([row()])))
    assert post(json.dumps([row()]) + blank).status_code == 200
    answer = post(json.dumps([row()]) + blank + " ")
    assert (answer.status_code, answer.json()["code"]) == (413, "input.too_large")


def test_a_key_named_twice_refuses_its_row(post: Any) -> None:
    good, twice = json.dumps(row("A1")), json.dumps(row("A2"))
    twice = twice.replace('"store"', '"number": "A3", "store"')
    results = post(f'{{"orders": [{good}, {twice}]}}').json()["results"]
    assert [result["result"] for result in results] == ["created", "refused"]
    assert results[1]["errors"][0]["field"] == "number"


@pytest.mark.parametrize("text", ["1.5", "1e3", '"100"', "null", "-5", "true"])
def test_amounts_are_whole_fen(post: Any, text: str) -> None:
    body = json.dumps([row("A1"), row("A2")]).replace("128000", text, 1)
    results = post(body).json()["results"]
    assert [result["result"] for result in results] == ["refused", "created"]
    assert results[0]["errors"][0]["field"] == "lines.0.paid_fen"


def test_other_methods_are_refused(client: Any, token: str) -> None:
    answer = client.get(URL, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 405
