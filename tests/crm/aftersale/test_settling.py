"""Where tickets end: money back as the till reckons it, another size for the one that came in."""

from typing import Any

import pytest

from crm.aftersale import services
from crm.aftersale.models import Ticket
from crm.orders.checkout.models import SaleRefund
from crm.orders.models import Order, OrderChange
from guides.org.actors import actor_for
from tests.factories.crm import make_member, make_order
from tests.factories.goods import make_goods, make_stock
from tests.factories.guides import Org, make_org
from yejibao.core.clock import parse_iso
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system()
NOON = parse_iso("2025-03-04 11:00")


@pytest.fixture
def org() -> Org:
    return make_org()


@pytest.fixture
def bought(org: Org) -> Order:
    return make_order(make_member(owner=org.guide), paid_at="2025-03-01 15:00", store=org.store)


def ticket_of(order: Order, kind: str, **wish: str) -> Ticket:
    assert order.member
    ticket = services.open_ticket(order.member, kind=kind, order=order, actor=SYSTEM, now=NOON, wish=wish)
    return _with_line(ticket, order.lines.order_by("line_no").first())


def _with_line(ticket: Ticket, line: Any) -> Ticket:
    ticket.line = line
    ticket.save(update_fields=["line"])
    return ticket


def test_the_manager_gives_the_money_back_and_it_is_over(org: Org, bought: Order) -> None:
    ticket = ticket_of(bought, "return")
    services.reply(ticket, "好的", actor=actor_for(org.guide), now=NOON)
    before = bought.net_amount_fen
    said = services.take_back(ticket, quantity=1, actor=actor_for(org.manager), now=NOON)
    ticket.refresh_from_db()
    bought.refresh_from_db()
    assert ticket.refund and bought.refunded_fen == ticket.refund.amount_fen > 0
    assert bought.net_amount_fen == before - ticket.refund.amount_fen
    assert (ticket.state, "已退" in said) == ("closed", True)
    with pytest.raises(services.NothingToRefund):
        services.take_back(_again(ticket), quantity=1, actor=actor_for(org.manager), now=NOON)


def _again(ticket: Ticket) -> Ticket:
    Ticket.objects.filter(pk=ticket.pk).update(state="responded", closed_at=None)
    return Ticket.objects.get(pk=ticket.pk)


def test_what_a_guide_asks_for_waits_and_closes_by_itself(org: Org, bought: Order) -> None:
    ticket = ticket_of(bought, "return")
    services.reply(ticket, "好的", actor=actor_for(org.guide), now=NOON)
    assert "点头" in services.take_back(ticket, quantity=1, actor=actor_for(org.guide), now=NOON)
    ticket.refresh_from_db()
    assert ticket.state == "refunding" and services.close_refunded(now=NOON) == {"refunded": 0}
    assert ticket.refund
    SaleRefund.objects.filter(pk=ticket.refund.pk).update(state="done", done_at=NOON)
    assert services.close_refunded(now=NOON) == {"refunded": 1}
    ticket.refresh_from_db()
    assert ticket.state == "closed"


def test_another_size_goes_out_and_the_order_knows(org: Org, bought: Order) -> None:
    style = make_goods("25FXF101-NV")
    for size in ("175/92A", "180/96A"):
        make_stock(style, org.store, 3, size=size, as_of=NOON)
    line = bought.lines.get()
    line.sku_code, line.size = style.sku_code, "175/92A"
    line.save()
    ticket = _with_line(ticket_of(bought, "exchange_size", target_size="180/96A"), line)
    with pytest.raises(services.OtherSize):
        services.swap_size(ticket, size="175/92A", actor=actor_for(org.guide), now=NOON)
    assert services.swap_size(ticket, size="180/96A", actor=actor_for(org.guide), now=NOON) == "换成 180/96A"
    ticket.refresh_from_db()
    assert ticket.state == "closed"
    assert ticket.exchange and OrderChange.objects.get(order=bought, kind="exchange").number == f"X{ticket.exchange.pk}"
    line.refresh_from_db()
    assert line.replaced_by and line.replaced_by.size == "180/96A"
