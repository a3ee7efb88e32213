"""What a mini-program could not know, or was told otherwise than described, when one was written from the description alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings

from crm.orders.checkout.models import Sale
from crm.portal.aftersale_faces import CLOSED
from crm.portal.offer_api import SALE
from crm.portal.photo_api import PHOTO
from crm.portal.visit_api import VISIT
from crm.visits.models import Visit
from tests.conftest import SandboxControl, TestClock
from tests.crm.portal.example_rows import NOW, ExampleWorld, make_world
from tests.crm.portal.schema_client import SchemaClient, read_schema
from tests.factories.benefits import make_batch, make_coupon, make_template
from tests.factories.checkout import make_sku
from tests.factories.portal import token_of
from yejibao.core import clock
from yejibao.wecom import tokens

pytestmark = pytest.mark.django_db
OPENID = "oWang"


@pytest.fixture
def world(clock: TestClock, sandbox: SandboxControl, pay_sandbox: SandboxControl) -> ExampleWorld:
    clock.travel(NOW)
    tokens.Credentials.forget_process_copies()
    return make_world()


@pytest.fixture
def client(world: ExampleWorld) -> SchemaClient:
    return SchemaClient(read_schema(), token=token_of(world.member, openid=f"{settings.MINI_APP_ID}:{OPENID}"))


def _described(node: Any, where: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        if isinstance(words := node.get("description"), str) and words:
            yield where, words
        for name, below in node.items():
            if name not in ("example", "examples", "responses"):
                yield from _described(below, f"{where}/{name}")


def test_nothing_is_described_to_colleagues_of_ours() -> None:
    """A docstring of ours shows through where a call or a field has no words of its own."""
    schema = read_schema()
    said = [*_described(schema["paths"]), *_described(schema["components"]["schemas"])]
    assert [line for line in said if not re.search(r"[\u4e00-\u9fff]", line[1])] == []


def _codes(client: SchemaClient, call: str, status: int) -> set[str]:
    answer = client.operations[call].facts["responses"][str(status)]
    return set(answer["content"]["application/problem+json"]["examples"])


def test_what_is_answered_is_among_what_is_described(client: SchemaClient) -> None:
    stranger = client.call("member_ticket_open", ask="咨询", photos=["018f3b8e-6d2a-7c41-9f5e-2b1d8c0a7e99"])
    assert (stranger.status, stranger.body["code"]) == (422, "file.not_uploaded")
    assert "file.not_uploaded" in _codes(client, "member_ticket_open", 422)
    client.call("member_ticket_rate", path={"public_id": CLOSED})
    again = client.call("member_ticket_rate", path={"public_id": CLOSED})
    assert (again.status, again.body["code"]) == (409, "survey.answered_already")
    assert "survey.answered_already" in _codes(client, "member_ticket_rate", 409)
    assert "idempotency.mismatch" not in _codes(client, "member_orders", 422)  # a GET carries no key
    problem = client.schema["components"]["schemas"]["ProblemDetails"]["properties"]
    waiting = client.call("member_visit_ask")
    assert (waiting.status, waiting.body["visit"]) == (409, VISIT) and {"visit", "retry_after"} <= problem.keys()


def test_the_sale_says_what_its_price_has_taken(client: SchemaClient, world: ExampleWorld) -> None:
    [waiting] = [one for one in client.call("member_sales").body["results"] if one["id"] == SALE]
    assert (waiting["state_name"], waiting["guide"]) == ("等您确认", "晓雯")
    make_coupon(world.member, make_batch(make_template("大衣满减券")))
    quote = client.call("member_sale").body
    assert quote["coupon"] in [one["code"] for one in quote["coupons"]] and quote["coupon_fen"] > 0
    Sale.objects.filter(public_id=SALE).update(state=Sale.State.CLOSED, closed_at=clock.now())
    assert SALE not in [one["id"] for one in client.call("member_sales").body["results"]]


def test_a_size_the_style_has_not_is_not_asked_for(client: SchemaClient, world: ExampleWorld) -> None:
    sku = make_sku(100000, store=world.org.store, size="185/100A")
    world.order.lines.update(sku_code=sku.style.sku_code)
    wrong = client.call("member_ticket_open", ask="换尺码", target_size="999")
    assert (wrong.status, [one["field"] for one in wrong.body["errors"]]) == (422, ["target_size"])
    assert client.call("member_ticket_open", ask="换尺码", target_size="185/100A").status == 201


def test_a_visit_says_what_may_be_answered(client: SchemaClient) -> None:
    assert client.call("member_visit").body["may"] == ["accept", "move", "decline"]
    assert client.call("member_visit_decline").body["may"] == ["accept", "move"]
    Visit.objects.all().delete()
    assert client.call("member_visit_ask").body["may"] == ["move", "decline"]  # his own wish waits for the guide's yes


def test_a_time_nobody_measures_at_is_named_as_it_was_sent(client: SchemaClient) -> None:
    wrong = client.call("member_fitting_move", starts_at="2026-11-24T03:00:00+08:00")
    assert (wrong.status, [one["field"] for one in wrong.body["errors"]]) == (422, ["starts_at"])


def test_a_photo_is_not_sent_twice(client: SchemaClient) -> None:
    whole = client.call("member_photo", path={"name": PHOTO})
    mark = {"If-None-Match": whole.headers["ETag"]}
    assert client.call("member_photo", path={"name": PHOTO}, headers=mark).status == 304
    small = client.call("member_photo", path={"name": PHOTO}, query={"small": "1"}, headers=mark)
    assert small.status == 200 and small.headers["ETag"] != whole.headers["ETag"]
