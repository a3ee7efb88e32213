"""Tickets: how they are opened, which steps they may take, and whom they reach."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from crm.aftersale.models import Ticket
from crm.aftersale.rules import rules
from crm.aftersale.services import (
    NoSuchStep,
    ReopenedAlready,
    close_ticket,
    move_ticket,
    open_ticket,
    set_pickup,
)
from guides.org.actors import actor_for
from tests.factories.crm import make_member, make_order, make_staff, make_store, make_ticket
from yejibao.core.clock import parse_iso
from yejibao.core.domain_files import read_yaml
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.outbox.models import OutboxEvent
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db
BOOK = read_yaml(Path(__file__).resolve().parents[3] / "crm" / "data" / "aftersale.yaml")
NOW = parse_iso("2025-03-04 11:00")
SYSTEM = Actor.system()


@pytest.fixture
def guide() -> Any:
    return make_staff(store=make_store())


@pytest.fixture
def member(guide: Any) -> Any:
    return make_member(owner=guide)


def test_a_ticket_goes_to_the_members_own_guide(member: Any, guide: Any) -> None:
    order = make_order(member, paid_at="2025-03-01 15:00", store=make_store())
    ticket = open_ticket(member, kind="exchange_size", order=order, actor=SYSTEM, now=NOW, description="袖子短")
    assert (ticket.state, ticket.priority, ticket.guide, ticket.store) == ("new", 2, guide, order.store)
    assert OutboxEvent.objects.get().payload == {"ticket_id": ticket.pk}


def test_without_an_own_guide_it_goes_to_the_seller_then_to_the_one_on_duty(guide: Any) -> None:
    member, store = make_member(), make_store()
    order = make_order(member, paid_at="2025-03-01 15:00", store=store, guide=guide)
    assert open_ticket(member, kind="return", order=order, actor=SYSTEM, now=NOW).guide == guide
    store.duty_guide = make_staff(store=store)
    store.save()
    assert open_ticket(member, kind="consult", store=store, actor=SYSTEM, now=NOW).guide == store.duty_guide
    gone = make_member(owner=make_staff(store=store, state="resigned"))
    assert open_ticket(gone, kind="care", actor=SYSTEM, now=NOW).guide == store.duty_guide


def test_what_is_wrong_with_a_ticket_is_named_at_once(member: Any) -> None:
    other = make_order(make_member(), paid_at="2025-03-01 15:00")
    with pytest.raises(Invalid) as refusal:
        open_ticket(member, kind="magic", order=other, channel="pigeon", actor=SYSTEM, now=NOW)
    assert [error["field"] for error in refusal.value.errors] == ["kind", "channel", "order"]
    with pytest.raises(Invalid) as refusal:
        open_ticket(make_member(), kind="complaint", actor=SYSTEM, now=NOW)
    assert [error["field"] for error in refusal.value.errors] == ["topic", "store"]


def test_kinds_and_states_are_those_of_the_domain_file() -> None:
    assert {kind["key"]: kind["name"] for kind in BOOK["ticket_kinds"]} == {
        value: str(label) for value, label in Ticket.Kind.choices
    }
    assert ("waiting_member", "closed") in rules().steps
    assert ("closed", "responded") in rules().steps
    assert {state for step in rules().steps for state in step} == set(BOOK["states"]["flow"])


@pytest.mark.parametrize("before", BOOK["states"]["flow"])
def test_only_allowed_steps_are_taken(member: Any, before: str) -> None:
    for after in BOOK["states"]["flow"]:
        ticket = make_ticket(member, opened_at=NOW, state=before, closed_at=NOW if before == "closed" else None)
        if (before, after) in rules().steps:
            assert move_ticket(ticket, to=after, actor=SYSTEM, now=NOW).state == after
        else:
            with pytest.raises(NoSuchStep):
                move_ticket(ticket, to=after, actor=SYSTEM, now=NOW)


def test_reply_and_end_are_stamped_and_told(member: Any) -> None:
    ticket = open_ticket(member, kind="return", actor=SYSTEM, now=NOW)
    later, end = NOW + timedelta(minutes=20), NOW + timedelta(days=1)
    move_ticket(ticket, to="responded", actor=SYSTEM, now=later)
    close_ticket(ticket, actor=SYSTEM, now=end)
    ticket.refresh_from_db()
    assert (ticket.first_reply_at, ticket.closed_at, OutboxEvent.objects.count()) == (later, end, 3)
    assert not Ticket.objects.unfinished().exists()


def test_a_closed_ticket_opens_again_once_within_a_week(member: Any) -> None:
    ticket = make_ticket(member, opened_at=NOW, state="closed", closed_at=NOW)
    with pytest.raises(ReopenedAlready):
        move_ticket(ticket, to="responded", actor=SYSTEM, now=NOW + timedelta(days=7, seconds=1))
    move_ticket(ticket, to="responded", actor=SYSTEM, now=NOW + timedelta(days=7))
    assert ticket.closed_at is None
    close_ticket(ticket, actor=SYSTEM, now=NOW + timedelta(days=8))
    with pytest.raises(ReopenedAlready):
        move_ticket(ticket, to="responded", actor=SYSTEM, now=NOW + timedelta(days=9))


def test_the_second_of_two_clicks_is_a_conflict(member: Any) -> None:
    ticket = make_ticket(member, opened_at=NOW)
    stale = Ticket.objects.get(pk=ticket.pk)
    move_ticket(ticket, to="responded", actor=SYSTEM, now=NOW)
    with pytest.raises(Conflict):
        move_ticket(stale, to="cancelled", actor=SYSTEM, now=NOW)


def test_the_promised_collection_moves(member: Any) -> None:
    ticket = open_ticket(member, kind="alteration", actor=SYSTEM, now=NOW, pickup_at=parse_iso("2025-03-06 18:00"))
    set_pickup(ticket, pickup_at=parse_iso("2025-03-07 18:00"), actor=SYSTEM, now=NOW)
    ticket.refresh_from_db()
    assert (ticket.pickup_at, OutboxEvent.objects.count()) == (parse_iso("2025-03-07 18:00"), 2)


def test_tickets_are_seen_by_those_they_concern(member: Any, guide: Any) -> None:
    ticket = make_ticket(member, opened_at=NOW)
    make_ticket(make_member(owner=make_staff(store=make_store())), opened_at=NOW)
    for role in ("store_manager", "guide"):
        stranger = make_staff(role, store=make_store())
        assert not Ticket.objects.visible_to(actor_for(stranger)).exists()
    manager = make_staff("store_manager", store=guide.store)
    for person in (guide, manager):
        assert list(Ticket.objects.visible_to(actor_for(person))) == [ticket]
    assert Ticket.objects.visible_to(SYSTEM).count() == 2
