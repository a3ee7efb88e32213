"""调店: who may move whom, the day it begins, and what she sees from the next request on."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client

from crm.members.models import GuideHandover
from guides.events import StaffMoved
from guides.org.models import RoleAssignment, Staff, StoreChange
from guides.org.moving import (
    MoveRunning,
    NotMovable,
    NotYoursToMove,
    apply_store_changes,
    cancel_transfer,
    transfer_staff,
)
from guides.org.services import resign_staff
from tests.factories.crm import make_member
from tests.factories.guides import Org, actor, holder_of, make_org, make_staff, make_store, sign_in
from yejibao.core import outbox
from yejibao.core.clock import parse_iso
from yejibao.core.models import AuditEntry
from yejibao.core.outbox.models import OutboxEvent
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db

NOW = parse_iso("2026-11-23 10:00")
TODAY = date(2026, 11, 23)
SYSTEM = Actor.system()


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel(NOW)
    return make_org()


def move(org: Org, **facts: Any) -> StoreChange:
    facts = {
        "to": org.other_store,
        "starts_on": TODAY,
        "actor": actor(holder_of("region_manager", org)),
        "now": NOW,
    } | facts
    return transfer_staff(org.guide, **facts)


def test_today_means_with_the_next_request(org: Org, client: Client) -> None:
    backed = make_staff(store=org.store, backup_guide=org.guide)
    neighbour = make_member(owner=make_staff(store=org.other_store), name="邻居")
    sign_in(client, org.guide)
    assert client.get("/api/v1/me/").wsgi_request.actor.store_id == org.store.pk
    change = move(org)
    assert (change.state, org.guide.store, org.guide.unit, org.guide.state) == (
        "done", org.other_store, org.other_store.unit, "active",
    )  # fmt: skip
    assert client.get("/api/v1/me/").wsgi_request.actor.store_id == org.other_store.pk
    me = actor(org.guide)
    assert [(grant.role, grant.path) for grant in me.grants] == [("guide", org.other_store.unit.path)]
    assert (
        not type(neighbour).objects.visible_to(me).exists()
    )  # a store's guide sees her own members, no more than before
    assert set(Staff.objects.visible_to(me)) == {org.guide, org.stranger, neighbour.owner_guide}
    assert org.guide not in Staff.objects.answering_to(actor(org.manager))
    backed.refresh_from_db()
    assert backed.backup_guide is None
    assert AuditEntry.objects.filter(action="org.staff_moved", resource_id=str(org.guide.pk)).count() == 1


def test_the_manager_she_left_plans_for_her_members(org: Org) -> None:
    heir = make_staff(store=org.store)
    make_member(owner=org.guide)
    move(org)
    assert OutboxEvent.objects.filter(topic=StaffMoved.topic).count() == 1
    outbox.drain_events()
    handover = GuideHandover.objects.get()
    assert (handover.guide, handover.reason, handover.store, handover.heir, handover.state) == (
        org.guide, "moved_store", org.store, heir, "proposed",
    )  # fmt: skip
    assert GuideHandover.objects.visible_to(actor(org.manager)).exists()
    theirs = make_staff("store_manager", store=org.other_store)
    assert not GuideHandover.objects.visible_to(actor(theirs)).exists()


def test_a_later_day_comes_by_itself(org: Org) -> None:
    change = move(org, starts_on=TODAY + timedelta(days=3))
    assert (change.state, org.guide.state, org.guide.store) == ("planned", "transferred", org.store)
    assert apply_store_changes(now=NOW + timedelta(days=2)) == {"moved": 0, "dropped": 0}
    with pytest.raises(MoveRunning):
        move(org)
    assert apply_store_changes(now=NOW + timedelta(days=3)) == {"moved": 1, "dropped": 0}
    org.guide.refresh_from_db()
    assert (org.guide.state, org.guide.store) == ("active", org.other_store)
    held = RoleAssignment.objects.filter(staff=org.guide).order_by("pk").values_list("unit", "starts_on", "ends_on")
    assert list(held) == [
        (org.store.unit_id, None, TODAY + timedelta(days=2)), (org.other_store.unit_id, TODAY + timedelta(days=3), None),
    ]  # fmt: skip


def test_a_move_can_be_taken_back_until_then(org: Org) -> None:
    boss = actor(holder_of("region_manager", org))
    change = move(org, starts_on=TODAY + timedelta(days=3))
    assert cancel_transfer(change, actor=boss, now=NOW).state == "cancelled"
    org.guide.refresh_from_db()
    assert org.guide.state == "active"
    assert apply_store_changes(now=NOW + timedelta(days=4)) == {"moved": 0, "dropped": 0}


def test_who_left_meanwhile_moves_nowhere(org: Org) -> None:
    move(org, starts_on=TODAY + timedelta(days=3))
    resign_staff(org.guide, actor=SYSTEM, now=NOW)
    assert apply_store_changes(now=NOW + timedelta(days=3)) == {"moved": 0, "dropped": 1}


@pytest.mark.parametrize(
    ("role", "allowed"),
    [("guide", False), ("store_manager", False), ("area_supervisor", False), ("region_manager", True),
     ("branch_manager", True), ("hq_operator", False), ("sys_admin", True)],
)  # fmt: skip
def test_only_who_answers_for_both_stores(org: Org, role: str, allowed: bool) -> None:
    mover = actor(holder_of(role, org))
    if allowed:
        assert move(org, actor=mover).state == "done"
    else:
        with pytest.raises(NotYoursToMove):
            move(org, actor=mover)


def test_an_area_supervisor_moves_within_the_area(org: Org) -> None:
    near = make_store(area=org.area)
    assert move(org, to=near, actor=actor(holder_of("area_supervisor", org))).to_store == near


def test_what_makes_no_sense_is_refused(org: Org) -> None:
    closed = make_store(area=org.area, closed_on=TODAY)
    with pytest.raises(NotYoursToMove):
        move(org, to=closed)
    for facts in (
        {"to": org.store},
        {"starts_on": TODAY - timedelta(days=1)},
        {"starts_on": TODAY + timedelta(days=200)},
    ):
        with pytest.raises(NotMovable):
            move(org, **facts)
    assert not StoreChange.objects.exists()
