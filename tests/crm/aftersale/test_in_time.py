"""The days of his rights count to when he asked; whose ticket it is when his guide has left; the desk hears of its own lateness."""

from __future__ import annotations

import pytest

from crm.aftersale import queries, services
from crm.aftersale.models import Ticket
from crm.orders.checkout.models import SaleRefund
from crm.orders.models import OrderLine
from guides.notices.models import Notification
from tests.crm.orders.checkout.conftest import Shop
from tests.factories import checkout as make
from tests.factories.crm import make_member
from tests.factories.guides import holder_of, make_org, make_staff
from yejibao.core import clock
from yejibao.core.clock import parse_iso
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system()


def asked(shop: Shop, kind: str, at: str) -> Ticket:
    """Return a ticket about the suit of a sale of the first of March, asked for at a moment and answered the next morning."""
    line = OrderLine.objects.get(order__sale=shop.paid(), line_no=1)
    ticket = services.open_ticket(
        shop.member, kind=kind, order=line.order, line=line, actor=SYSTEM, now=parse_iso(at), wish={"target_size": "A"}
    )
    return services.reply(ticket, "看到了", actor=shop.guide, now=clock.now())


def test_asked_in_the_last_minute_it_is_taken_back_the_next_day(shop: Shop) -> None:
    ticket = asked(shop, "return", "2026-03-08 21:50")
    now = parse_iso("2026-03-10 11:00")
    assert queries.remedies(ticket) == ("return",)
    services.take_back(ticket, quantity=1, actor=shop.manager, now=now)
    assert SaleRefund.objects.get().state == "done"


def test_asked_in_the_last_minute_it_is_exchanged_later(shop: Shop) -> None:
    coat = make.make_sku(69800, store=shop.org.store, category_l1="大衣")
    ticket = asked(shop, "exchange_item", "2026-03-08 21:59")
    now = parse_iso("2026-03-11 11:00")
    assert queries.exchange_offer(ticket, coat, now=now).difference_fen == 0
    services.swap(ticket, coat, actor=shop.guide, now=now)
    assert Ticket.objects.get().state == "closed"


def test_a_fault_told_of_on_the_thirtieth_day_is_his_choice(shop: Shop) -> None:
    ticket = asked(shop, "quality", "2026-03-31 21:00")
    assert "return" in queries.remedies(ticket)
    services.take_back(ticket, quantity=1, actor=shop.manager, now=parse_iso("2026-04-02 11:00"))
    assert SaleRefund.objects.get().state == "done"


def test_where_he_asked_in_a_mall_that_moment_counts(shop: Shop) -> None:
    ticket = asked(shop, "return", "2026-03-09 10:00")
    assert queries.remedies(ticket) == ()
    ticket.asked_at = parse_iso("2026-03-08 21:00")
    assert queries.remedies(ticket) == ("return",)


def test_a_free_alteration_counts_from_when_he_asked(shop: Shop) -> None:
    ticket = asked(shop, "alteration", "2026-03-31 20:00")
    assert ticket.line is not None
    now, late = parse_iso("2026-04-01 12:00"), {"kind": "alteration", "works": ["裤长"]}
    assert queries.coverage_of(shop.member, ticket.line, now=now, asked=ticket.asked, **late).kind == "free_alteration"  # type: ignore[arg-type]
    assert queries.coverage_of(shop.member, ticket.line, now=now, **late).kind == "paid"  # type: ignore[arg-type]


NOON = parse_iso("2025-03-04 12:00")


def test_who_left_is_stood_in_for_by_his_backup_then_by_the_manager() -> None:
    org = make_org()
    backup = make_staff(store=org.store)
    owner = make_staff(store=org.store, state="resigned", backup_guide=backup)
    member = make_member(owner=owner)
    ticket = services.open_ticket(member, kind="consult", actor=SYSTEM, now=NOON)
    assert (ticket.guide, ticket.covers_for, ticket.stage) == (backup, owner, "guide")
    owner.backup_guide = None
    owner.save(update_fields=["backup_guide"])
    assert services.open_ticket(make_member(owner=owner), kind="consult", actor=SYSTEM, now=NOON).guide == org.manager


def test_the_desk_is_told_when_it_offers_nothing_in_time() -> None:
    org = make_org()
    desk = holder_of("customer_service", org)
    ticket = services.open_ticket(make_member(owner=org.guide), kind="consult", actor=SYSTEM, now=NOON)
    services.hand_up(ticket, to="service", actor=SYSTEM, now=NOON, reason="他要总部")
    Notification.objects.all().delete()
    ticket.refresh_from_db()
    assert ticket.proposal_due_at is not None
    services.pass_up_late(now=ticket.proposal_due_at)
    assert "还没给出办法" in Notification.objects.get(staff=desk).title
    ticket.refresh_from_db()
    assert (ticket.clock, ticket.clock_at) == ("closing", ticket.closing_due_at)
