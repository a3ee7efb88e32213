"""What a member asked in a mall becomes a ticket of his own guide, once; what is wrong with a row is said and waits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from crm.aftersale.models import Ticket
from guides.notices.models import Notification
from tests.conftest import TestClock
from tests.factories.crm import make_member, make_order
from tests.factories.guides import Org, make_org
from yejibao.core import clock as product_clock
from yejibao.core.personal import decrypt
from yejibao.intake.models import RefusedRow
from yejibao.intake.services import issue_token

pytestmark = pytest.mark.django_db
ROW = {
    "number": "RMA1",
    "order": "N1",
    "kind": "return",
    "reason": "尺码不合",
    "description": "袖子长了",
    "asked_at": "2025-03-08T21:50:00+08:00",
}


@pytest.fixture
def org(clock: TestClock) -> Org:
    clock.travel("2025-03-09 09:40")
    org = make_org()
    make_order(make_member(owner=org.guide, name="王建平"), paid_at="2025-03-01 15:00", store=org.store, number="N1")
    return org


@pytest.fixture
def send(client: Client, org: Org) -> Any:
    token = issue_token("mall", now=product_clock.now(), may_send=["tickets"])

    def post(*rows: dict[str, Any]) -> list[tuple[str, str]]:
        got = client.post(
            "/api/v1/intake/tickets/", json.dumps({"rows": rows}), content_type="application/json", headers={"Authorization": f"Bearer {token}"}
        )  # fmt: skip
        assert got.status_code == 200, got.content.decode()
        return [(row["result"], row.get("code", "")) for row in got.json()["results"]]

    return post


def test_a_request_of_the_mall_is_his_guides_at_once_and_once(send: Any, org: Org) -> None:
    assert send(ROW) == [("created", "")]
    ticket = Ticket.objects.get()
    assert (ticket.channel, ticket.guide, ticket.stage, ticket.kind, ticket.wish) == (
        "platform",
        org.guide,
        "guide",
        "return",
        {"reason": "尺码不合"},
    )
    assert (ticket.description, ticket.line and ticket.line.line_no) == ("袖子长了", 1)
    step = ticket.steps.get()
    assert step.is_member and step.is_shown
    assert Notification.objects.filter(staff=org.guide, kind="ticket").count() == 1
    assert (
        ticket.opened_at == product_clock.now() and f"{ticket.first_due_at:%H:%M}" == "02:10"
    )  # thirty minutes from when we heard
    assert send(ROW) == [("same", "")] and Ticket.objects.count() == 1


def test_taken_back_in_the_mall_it_is_called_off(send: Any, org: Org) -> None:
    send(ROW)
    assert send(ROW | {"is_cancelled": True}) == [("changed", "")]
    assert Ticket.objects.get().state == "cancelled"
    assert send(ROW | {"is_cancelled": True}) == [("same", "")]
    assert send(ROW | {"number": "RMA2", "is_cancelled": True}) == [("same", "")] and Ticket.objects.count() == 1


def test_wrong_rows_are_told_and_wait_with_his_words_encrypted(send: Any, org: Org) -> None:
    make_order(None, paid_at="2025-03-01 16:00", store=org.store, number="N2")
    assert send(
        ROW, ROW | {"number": "RMA2", "order": "N9"}, ROW | {"number": "RMA3", "order": "N2"}, ROW | {"number": "RMA4", "line_no": 7},
        ROW | {"number": "RMA5", "kind": "complaint"}, ROW | {"number": "RMA6", "kind": "complaint", "topic": "物流"},
    ) == [
        ("created", ""), ("refused", "order.unknown"), ("refused", "order.no_member"), ("refused", "line.unknown"), ("refused", "input.required"),
        ("created", ""),
    ]  # fmt: skip
    waiting = RefusedRow.objects.get(key="RMA2").cells["description"]
    assert "袖子" not in waiting and decrypt(waiting, column="crm_ticket.description") == "袖子长了"
