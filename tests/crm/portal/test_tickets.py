"""我的售后: a request, the talk about it, its end and its stars; nobody else's."""

from typing import Any

import pytest
from django.test import Client

from crm.aftersale import services
from crm.aftersale.models import Ticket
from tests.factories.crm import make_member, make_order, make_ticket
from tests.factories.guides import Org, actor, make_org
from tests.factories.portal import sign_in_member
from yejibao.core import clock

pytestmark = pytest.mark.django_db


@pytest.fixture
def org() -> Org:
    return make_org()


@pytest.fixture
def member(org: Org) -> Any:
    return make_member(owner=org.guide)


def test_a_request_in_half_a_minute_and_how_it_was(client: Client, org: Org, member: Any) -> None:
    line = make_order(member, paid_at=clock.now().isoformat(), store=org.store).lines.get()
    sign_in_member(client, member)
    page = client.get("/my/tickets/new/").content.decode()
    assert line.item_name in page and "晓雯" in page
    refused = client.post("/my/tickets/new/", {"kind": "return", "line": line.pk}, headers={"Accept": "text/html"})
    assert refused.status_code == 422 and "请说一下为什么" in refused.content.decode()
    made = client.post(
        "/my/tickets/new/", {"kind": "return", "line": line.pk, "reason": "尺码不合适", "description": "袖子长"}
    )
    ticket = Ticket.objects.get()
    assert made.headers["Location"] == f"/my/tickets/{ticket.public_id}/"
    assert (ticket.channel, ticket.guide, ticket.steps.get().is_member) == ("mini_program", org.guide, True)
    services.propose(ticket, "换 M 码", actor=actor(org.guide), now=clock.now())
    services.note(ticket, "难缠", actor=actor(org.guide), now=clock.now())
    page = client.get(f"/my/tickets/{ticket.public_id}/").content.decode()
    assert "可以，就这么办" in page and "难缠" not in page and "待顾客" not in page
    assert page.count("换 M 码") == 2, "where he says yes, and in what happened"
    assert "等您点头" in client.get("/my/tickets/").content.decode()
    assert client.post(f"/my/tickets/{ticket.public_id}/say/", {"do": "agree"}).status_code == 302
    ticket.refresh_from_db()
    assert ticket.state == "responded"
    services.close_ticket(ticket, actor=actor(org.guide), now=clock.now(), reason="换好了")
    assert client.post(f"/my/tickets/{ticket.public_id}/say/", {"do": "rate", "stars": "5"}).status_code == 302
    ticket.refresh_from_db()
    assert ticket.stars == 5 and "您评了 5 星" in client.get(f"/my/tickets/{ticket.public_id}/").content.decode()


def test_another_members_request_is_not_there(client: Client, org: Org, member: Any) -> None:
    other = make_ticket(make_member(owner=org.guide), opened_at=clock.now())
    sign_in_member(client, member)
    assert client.get(f"/my/tickets/{other.public_id}/").status_code == 404
    assert client.post(f"/my/tickets/{other.public_id}/say/", {"do": "cancel"}).status_code == 404
    assert "没有售后" in client.get("/my/tickets/").content.decode()


def test_at_night_he_is_told_when_somebody_comes(client: Client, org: Org, member: Any) -> None:
    now = clock.parse_iso("2026-03-02 23:10")
    with clock.travelled(now):
        ticket = services.open_ticket(member, kind="consult", actor=actor(org.guide), now=now)
        sign_in_member(client, member)
        assert "明早9:30后" in client.get(f"/my/tickets/{ticket.public_id}/").content.decode()
