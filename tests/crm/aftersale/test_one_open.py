"""One open ticket for one sold piece: who asks again is led to it, in the store, on his phone and from the mall."""

from typing import Any

import pytest
from django.db import IntegrityError
from django.test import Client

from crm.aftersale import services
from crm.aftersale.intake import Asked, _take
from crm.aftersale.models import Ticket
from crm.orders.models import OrderLine
from tests.crm.orders.checkout.conftest import Shop
from tests.factories.guides import sign_in
from tests.factories.portal import bearer, sign_in_member
from yejibao.core import clock
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db
RETURN = {"kind": "return", "reason": "尺码不合", "description": "袖子长了"}


@pytest.fixture
def line(shop: Shop) -> OrderLine:
    return OrderLine.objects.select_related("order").get(order__sale=shop.paid((shop.suit, 1)))


def opened(line: OrderLine, kind: str = "alteration") -> Ticket:
    member = line.order.member
    assert member is not None
    return services.open_ticket(
        member, kind=kind, order=line.order, line=line, actor=Actor.system(), now=clock.now()
    )  # fmt: skip


def test_a_second_one_is_refused_and_leads_to_the_first(line: OrderLine) -> None:
    first = opened(line)
    for kind in ("return", "quality", "care", "repair", "alteration"):
        with pytest.raises(services.PieceHasTicket) as refused:
            opened(line, kind)
        assert refused.value.extra == {"ticket": str(first.public_id), "number": first.number}
        assert first.number in refused.value.detail and "改衣" in refused.value.detail
    for kind in ("logistics", "consult"):  # about no piece
        opened(line, kind)


def test_what_is_over_makes_place_and_is_not_opened_again_over_the_next(line: OrderLine) -> None:
    first, now = opened(line), clock.now()
    services.move_ticket(first, to="responded", actor=Actor.system(), now=now)
    services.close_ticket(first, actor=Actor.system(), now=now, reason="改好了")
    second = opened(line, "quality")
    with pytest.raises(services.PieceHasTicket) as refused:
        services.member_says(first, "还是长", actor=Actor.system(), now=now)
    assert refused.value.extra["number"] == second.number
    services.cancel_by_member(second, actor=Actor.system(), now=now)
    services.member_says(first, "还是长", actor=Actor.system(), now=now)
    assert Ticket.objects.get(pk=first.pk).is_open


def test_as_many_as_were_sold(line: OrderLine) -> None:
    OrderLine.objects.filter(pk=line.pk).update(quantity=2)
    assert [opened(line).piece_no, opened(line).piece_no] == [1, 2]
    with pytest.raises(services.PieceHasTicket):
        opened(line)


def test_the_database_keeps_it(line: OrderLine) -> None:
    first = opened(line)
    closed = opened(line, "consult")
    with pytest.raises(IntegrityError, match="ticket_piece_open_once"):
        Ticket.objects.filter(pk=closed.pk).update(piece_no=first.piece_no)


def test_on_his_phone_and_in_the_store_one_comes_to_the_open_one(client: Client, shop: Shop, line: OrderLine) -> None:
    first = opened(line)
    asked = RETURN | {"line": line.pk, "order": line.order_id, "idempotency_key": "again"}
    his = sign_in_member(Client(), shop.member)
    answer = his.post("/my/tickets/new/", asked)
    assert (answer.status_code, answer["Location"]) == (302, f"/my/tickets/{first.public_id}/")
    assert "还没办完" in his.get(answer["Location"]).content.decode()
    hers = sign_in(client, shop.org.guide)
    answer = hers.post(f"/g/members/{shop.member.public_id}/tickets/new/", asked | {"channel": "store_desk"})
    assert (answer.status_code, answer["Location"]) == (302, f"/g/tickets/{first.pk}/")
    assert Ticket.objects.count() == 1


def test_what_is_missing_is_said_on_the_form_that_came_with_its_key(
    client: Client, shop: Shop, line: OrderLine
) -> None:
    asked = RETURN | {"line": line.pk, "reason": "", "idempotency_key": "gap"}
    answers = [
        sign_in_member(Client(), shop.member).post("/my/tickets/new/", asked, headers={"Accept": "text/html"}),
        sign_in(client, shop.org.guide).post(f"/g/members/{shop.member.public_id}/tickets/new/", asked),
    ]
    for answer in answers:
        page = answer.content.decode()
        assert answer.status_code == 422 and "请说一下为什么" in page and "袖子长了" in page


def test_the_script_of_his_form_hears_what_is_missing(shop: Shop, line: OrderLine) -> None:
    asked = RETURN | {"line": line.pk, "reason": "", "idempotency_key": "gap"}
    said = sign_in_member(Client(), shop.member).post("/my/tickets/new/", asked, headers={"Accept": "application/json"})
    assert said.status_code == 422 and "请说一下为什么" in [one["message"] for one in said.json()["errors"]]


def test_his_mini_program_is_told_which_one_is_open(client: Client, shop: Shop, line: OrderLine) -> None:
    first = opened(line)
    body = RETURN | {"order": line.order.number, "line_no": line.line_no}
    answer = client.post(
        "/api/v1/member/tickets/", body, "application/json", headers=bearer(shop.member) | {"Idempotency-Key": "again"}
    )
    said = answer.json()
    assert (answer.status_code, said["code"], said["ticket"]) == (409, "ticket.piece_open", str(first.public_id))


def test_the_mall_is_told_in_its_row(line: OrderLine) -> None:
    first = opened(line)
    asked = Asked({"kind": "return", "reason": "大了"}, "mall:RMA1", line.order, line, None)
    outcome, wrong = _take(asked, [], now=clock.now())
    said: list[Any] = wrong
    assert (outcome, [one["code"] for one in said]) == ("refused", ["ticket.piece_open"])
    assert first.number in said[0]["message"]
