"""The member API keeps its word: every documented request is answered as documented, by the real server.

Nothing here names an operation but to prepare what it needs: requests are built from the schema's own examples.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from crm.members.models import Member
from crm.portal.session_api import LOGIN_CODE, PHONE_CODE
from tests.conftest import SandboxControl, TestClock
from tests.crm.portal.example_rows import NOW, PREPARE, ExampleWorld, make_world
from tests.crm.portal.schema_client import Operation, SchemaClient, read_schema
from tests.factories.benefits import give_points, make_coupon
from tests.factories.checkout import give_card
from tests.factories.crm import make_member, make_order, make_ticket
from tests.factories.guides import make_org
from tests.factories.portal import token_of
from yejibao.core import limits
from yejibao.wecom import tokens

pytestmark = pytest.mark.django_db
OPENID = "oWang"
UNKNOWN_YET = {"member_phone"}  # what only an account without a member may call


@pytest.fixture
def world(
    clock: TestClock, sandbox: SandboxControl, pay_sandbox: SandboxControl, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ExampleWorld]:
    clock.travel(NOW)
    tokens.Credentials.forget_process_copies()
    made = make_world()
    for name in limits.CLASSES:  # a hundred requests in a minute, which no phone sends
        monkeypatch.setitem(limits.CLASSES, name, limits.Share())
    yield made


def test_every_documented_request_is_answered_as_documented(world: ExampleWorld, sandbox: SandboxControl) -> None:
    described, wrong = read_schema(), []
    known = token_of(world.member, openid=f"{settings.MINI_APP_ID}:{OPENID}")
    unknown = token_of(None, openid=f"{settings.MINI_APP_ID}:oNobody")
    client = SchemaClient(described)
    for one in client.operations.values():
        client.token = unknown if one.id in UNKNOWN_YET else known
        for name, body in one.asks.items():
            with transaction.atomic():  # as if each were the first
                sandbox.post("mini/login", openid=OPENID, code=LOGIN_CODE)
                sandbox.post("mini/phone", phone="13911112222", code=PHONE_CODE)
                if prepare := PREPARE.get(one.id):
                    prepare(world)
                try:
                    _ask(client, one, body)
                except AssertionError as error:
                    wrong.append(f"{one.id} {name}: {error}")
                transaction.set_rollback(True)
    assert wrong == [], "\n".join(wrong)


def _ask(client: SchemaClient, one: Operation, body: Any) -> None:
    got = client.send(one, body)
    assert got.status == one.success[0], f"{got.status} {got.body}"
    if one.answer is not None:
        client.must_fit(one.answer, one.success[1]["content"]["application/json"]["schema"], where="the example itself")
        assert _shape(got.body, one.answer) == [], "another shape than the example's"


def _shape(got: Any, example: Any, where: str = "") -> list[str]:
    """Return where an answer has other fields than its example, or nothing where the example shows rows."""
    if isinstance(got, dict) and isinstance(example, dict):
        wrong = [f"{where}: {sorted(got.keys() ^ example.keys())}"] if got.keys() != example.keys() else []
        return wrong + [
            line for key in got.keys() & example.keys() for line in _shape(got[key], example[key], f"{where}.{key}")
        ]
    if isinstance(got, list) and isinstance(example, list):
        if example and not got and isinstance(example[0], dict):
            return [f"{where}: the example shows rows, the server has none"]
        return _shape(got[0], example[0], f"{where}[0]") if got and example else []
    return []


def test_every_operation_has_words_examples_and_its_refusals() -> None:
    client, wrong = SchemaClient(read_schema()), []
    for one in client.operations.values():
        said = one.facts
        if not said.get("summary") or (
            one.success[0] != 204
            and one.answer is None
            and one.success[1].get("content", {}).keys() == {"application/json"}
        ):
            wrong.append(f"{one.id}: no summary, or no example of its answer")
        if one.body_kind and not one.asks:
            wrong.append(f"{one.id}: no example of its request")
        for status, answer in said["responses"].items():
            if status >= "400" and not answer["content"]["application/problem+json"].get("examples"):
                wrong.append(f"{one.id}: {status} names no code")
    assert wrong == []


def test_whatever_changes_something_has_a_class_of_limits_and_a_key(world: ExampleWorld) -> None:
    """What may be sent twice by a phone that heard nothing carries a key; the rest is listed with its reason."""
    without_key = {
        "member_login", "member_phone", "member_logout", "member_logout_everywhere", "member_web_ticket",  # the session itself
        "member_photo_add",  # its own id is the key
        "member_code_open",  # noted once a code
        "member_consents_set",  # the whole sheet, guarded by If-Match
        "member_copy",  # the login code works once
    }  # fmt: skip
    found = {
        one.id for one in SchemaClient(read_schema()).operations.values()
        if one.method != "get" and not any(p["name"] == "Idempotency-Key" for p in one.parameters("header"))
    }  # fmt: skip
    assert found == without_key


def test_what_is_another_members_is_not_there(world: ExampleWorld) -> None:
    """Every call that names a row by its id, asked by somebody else: as if there were none."""
    client, seen = SchemaClient(read_schema(), token=token_of(make_member(), openid="wx:oOther")), []
    for one in client.operations.values():
        ids = [parameter["name"] for parameter in one.parameters("path")]
        if not {"public_id", "name", "number"} & set(ids) or "coupon-batches" in one.path:  # a batch is everybody's
            continue
        for name, body in one.asks.items():
            with transaction.atomic():
                if (got := client.send(one, body)).status != 404:
                    seen.append(f"{one.id} {name}: {got.status}")
                transaction.set_rollback(True)
    assert seen == []


LISTS = ("member_orders", "member_tickets", "member_wallet", "member_points", "member_coupons")
MOST = 7  # statements of one, who asks included


def test_a_list_costs_the_same_for_any_length(clock: TestClock) -> None:
    clock.travel(NOW)
    org, costs = make_org(), []
    for rows in (1, 3):
        member = make_member(owner=org.guide)
        for _row in range(rows):
            order = make_order(member, paid_at="2026-11-20 14:00", store=org.store)
            make_ticket(member, order=order, opened_at=NOW)
            give_card(member, 10000)
            give_points(member, 100)
            make_coupon(member)
        costs.append({name: _cost(member, name, rows) for name in LISTS})
    assert costs[0] == costs[1] and max(costs[0].values()) <= MOST


def _cost(member: Member, name: str, rows: int) -> int:
    client = SchemaClient(read_schema(), token=token_of(member))
    with CaptureQueriesContext(connection) as asked:
        assert len(client.call(name).body["results"]) == rows, name
    return len(asked)
