"""Staff, units and rosters; members, friends and hand-overs; scoring and tickets."""

from datetime import date, timedelta
from typing import Any

from django.db import transaction

from crm.aftersale.services import move_ticket
from crm.members.models import FriendLink, FriendTransfer, GuideHandover, OwnershipTransfer
from crm.members.services import (
    AlreadyHandedOver,
    AlreadyOpen,
    apply_due_handovers,
    change_owner,
    choose_heir,
    end_friend,
    lock_members,
    plan_giving,
    propose_heir,
    record_friend,
    refuse_transfer,
    replan,
    set_do_not_contact,
)
from crm.scoring.services import settle_levels
from crm.scoring.services.runs import take_run
from guides.attendance.services import set_shift
from guides.org.models import OrgUnit, StoreChange
from guides.org.moving import MoveRunning, apply_store_changes, cancel_transfer, transfer_staff
from guides.org.services import AlreadyResigned, create_unit, move_unit, resign_staff
from tests.factories.crm import make_ticket
from tests.factories.guides import make_staff, make_unit
from tests.races.at_once import overtaken, queued
from tests.races.world import NOON, World, events
from yejibao.core.clock import local_day
from yejibao.core.errors import Conflict
from yejibao.core.models import AuditEntry
from yejibao.core.scope import Actor

SYSTEM = Actor.system("race")
HOUR = timedelta(hours=1)

# ---------------------------------------------------------------- units, people, rosters


def a_unit_is_founded_while_its_parent_moves(world: World) -> None:
    region, other = (make_unit("region", parent=world.org.branch) for _ in range(2))
    area = make_unit("area", parent=region)
    both = overtaken(
        lambda: move_unit(area, to=other, actor=SYSTEM, reason="调整", now=NOON),
        lambda: create_unit(level="store", code=f"new{area.pk}", name="新店", parent=area, actor=SYSTEM, now=NOON),
    )
    area.refresh_from_db()
    assert OrgUnit.objects.get(pk=both.second.pk).path == f"{area.path}{both.second.pk}/"


def two_who_move_a_unit(world: World) -> None:
    regions = [make_unit("region", parent=world.org.branch) for _ in range(3)]
    area = make_unit("area", parent=regions[0])
    overtaken(
        lambda: move_unit(area, to=regions[1], actor=SYSTEM, reason="调整", now=NOON),
        lambda: move_unit(area, to=regions[2], actor=SYSTEM, reason="调整", now=NOON),
    )
    area.refresh_from_db()
    parent = OrgUnit.objects.get(pk=area.parent_id)
    assert area.path == f"{parent.path}{area.pk}/"


def two_who_note_that_somebody_left(world: World) -> None:
    person = make_staff(store=world.org.store)
    both = overtaken(*[lambda: resign_staff(person, actor=SYSTEM, now=NOON)] * 2)
    assert isinstance(both.second, AlreadyResigned) and events("guides.staff_resigned") == 1


def two_who_set_the_same_rest_day(world: World) -> None:
    person = make_staff(store=world.org.store)
    both = overtaken(*[lambda: set_shift(person, day=date(2025, 3, 9), kind="rest", actor=SYSTEM, now=NOON)] * 2)
    assert (both.second.kind, events("guides.staff_away_changed")) == ("rest", 1)


def two_who_move_a_guide(world: World) -> None:
    person, there = make_staff(store=world.org.store), world.org.other_store
    plan = {"to": there, "starts_on": local_day(NOON) + timedelta(days=1), "actor": SYSTEM, "now": NOON}
    both = overtaken(*[lambda: transfer_staff(person, **plan)] * 2)
    assert isinstance(both.second, MoveRunning) and StoreChange.objects.filter(staff=person).count() == 1


def a_move_begins_while_it_is_taken_back(world: World) -> None:
    person, day = make_staff(store=world.org.store), local_day(NOON) + timedelta(days=1)
    change = transfer_staff(person, to=world.org.other_store, starts_on=day, actor=SYSTEM, now=NOON)
    both = overtaken(
        lambda: cancel_transfer(change, actor=SYSTEM, now=NOON),
        lambda: apply_store_changes(now=NOON + timedelta(days=1)),
    )
    person.refresh_from_db()
    change.refresh_from_db()
    assert (change.state, person.store, both.waited) == ("cancelled", world.org.store, True)


def a_move_is_taken_back_while_it_begins(world: World) -> None:
    person, day = make_staff(store=world.org.store), local_day(NOON) + timedelta(days=1)
    change = transfer_staff(person, to=world.org.other_store, starts_on=day, actor=SYSTEM, now=NOON)
    both = overtaken(
        lambda: apply_store_changes(now=NOON + timedelta(days=1)),
        lambda: cancel_transfer(change, actor=SYSTEM, now=NOON),
    )
    change.refresh_from_db()
    assert (isinstance(both.second, Conflict), change.state) == (True, "done")


# ---------------------------------------------------------------- members


def two_managers_give_a_member_away(world: World) -> None:
    member, a, b = world.member(), make_staff(store=world.org.store), make_staff(store=world.org.store)
    overtaken(
        lambda: change_owner(member, to=a, actor=SYSTEM, reason="调整", now=NOON),
        lambda: change_owner(member, to=b, actor=SYSTEM, reason="调整", now=NOON),
    )
    chain = list(OwnershipTransfer.objects.order_by("pk").values_list("from_guide", "to_guide"))
    assert chain == [(world.org.guide.pk, a.pk), (a.pk, b.pk)]


def _leaver(world: World) -> GuideHandover:
    leaver = make_staff(store=world.org.store)
    world.member(owner=leaver)
    type(leaver).objects.filter(pk=leaver.pk).update(state="resigned", resigned_at=NOON)
    handover = propose_heir(leaver.pk, resigned_at=NOON, now=NOON)
    assert handover
    return handover


def two_heirs_are_named(world: World) -> None:
    handover = _leaver(world)
    a, b = make_staff(store=world.org.store), make_staff(store=world.org.store)
    both = overtaken(
        lambda: choose_heir(handover, heir=a, actor=SYSTEM, now=NOON),
        lambda: choose_heir(handover, heir=b, actor=SYSTEM, now=NOON),
    )
    handover.refresh_from_db()
    assert (handover.heir, isinstance(both.second, AlreadyHandedOver), events("crm.heir_named")) == (a, True, 1)


def the_day_is_over_while_a_plan_is_confirmed(world: World) -> None:
    handover = _leaver(world)
    a = make_staff(store=world.org.store)
    both = overtaken(
        lambda: choose_heir(handover, heir=a, actor=SYSTEM, now=NOON),
        lambda: apply_due_handovers(now=NOON + 25 * HOUR),
    )
    handover.refresh_from_db()
    assert (handover.heir, both.second["handed_over"], events("crm.heir_named")) == (a, 0, 1)


def two_who_plan_a_giving(world: World) -> None:
    guide = make_staff(store=world.org.store)
    both = overtaken(*[lambda: plan_giving(guide, reason="long_leave", actor=SYSTEM, now=NOON)] * 2)
    assert isinstance(both.second, AlreadyOpen) and GuideHandover.objects.filter(guide=guide).count() == 1


def two_who_decide_on_a_full_taker(world: World) -> None:
    handover = _leaver(world)
    full, a, b = (make_staff(store=world.org.store) for _ in range(3))
    choose_heir(handover, heir=full, actor=SYSTEM, now=NOON)
    FriendTransfer.objects.update(state="taker_full", next_at=None)
    act = {"state": "taker_full", "taker_id": full.pk, "actor": SYSTEM, "now": NOON}
    both = overtaken(lambda: replan(handover, to=a, **act), lambda: replan(handover, to=b, **act))
    assert (both.first, both.second, OwnershipTransfer.objects.filter(from_guide=full).count()) == (1, 0, 1)


def a_refusal_told_twice(world: World) -> None:
    handover = _leaver(world)
    choose_heir(handover, heir=world.org.guide, actor=SYSTEM, now=NOON)
    link = FriendLink.objects.get(guide=handover.guide_id)
    overtaken(*[lambda: refuse_transfer(link, now=NOON + HOUR)] * 2)
    assert OwnershipTransfer.objects.filter(reason="refused").count() == 1


def a_lost_friend_told_twice(world: World) -> None:
    member = world.member()
    overtaken(*[lambda: end_friend(guide=world.org.guide, member=member, at=NOON)] * 2)
    assert events("crm.friend_changed") == 1


def a_friend_who_comes_back_told_twice(world: World) -> None:
    member = world.member()
    FriendLink.objects.update(state="deleted_by_member", ended_at=NOON - HOUR)
    overtaken(*[lambda: record_friend(guide=world.org.guide, member=member, at=NOON)] * 2)
    assert events("crm.friend_changed") == 1


def two_who_say_do_not_contact(world: World) -> None:
    member = world.member()
    overtaken(*[lambda: set_do_not_contact(member, actor=SYSTEM, reason="会员要求", now=NOON)] * 2)
    assert (events("crm.member_changed"), AuditEntry.objects.filter(action="member.do_not_contact").count()) == (1, 1)


def members_are_locked_in_one_order(world: World) -> None:
    low, high = sorted(world.member().pk for _ in range(2))

    def lock() -> list[int]:
        with transaction.atomic():
            return lock_members([high, low])

    assert queued("crm_member", [high], lock, lock) == [[low, high]] * 2


# ---------------------------------------------------------------- scoring, tickets


def two_nights_at_once(world: World) -> None:
    def take() -> Any:
        with transaction.atomic():
            return take_run("tier_631", as_of=date(2025, 2, 28), now=NOON)

    take()  # the row of the night is there
    both = overtaken(take, take)
    assert (both.first is not None, both.second, both.waited) == (True, None, False)


def two_nights_begin_at_once(world: World) -> None:
    def take() -> Any:
        with transaction.atomic():
            return take_run("tier_631", as_of=date(2025, 2, 28), now=NOON)

    both = overtaken(take, take)
    assert (both.first.model, getattr(both.second, "model", both.second)) == ("tier_631", "tier_631")


def a_level_that_rises_while_it_is_to_end(world: World) -> None:
    member = world.member(member_level="V3", level_valid_until=date(2025, 3, 3), level_reached_at=NOON)
    members = type(member).objects.filter(pk=member.pk)
    both = overtaken(
        lambda: members.update(member_level="V4", level_valid_until=date(2025, 9, 1)),
        lambda: settle_levels(as_of=date(2025, 3, 3), now=NOON),
    )
    assert (members.get().member_level, both.second["lowered"]) == ("V4", 0)


def two_who_move_a_ticket(world: World) -> None:
    ticket = make_ticket(world.member(), opened_at=NOON)
    again = type(ticket).objects.get(pk=ticket.pk)
    both = overtaken(
        lambda: move_ticket(ticket, to="responded", actor=SYSTEM, now=NOON),
        lambda: move_ticket(again, to="cancelled", actor=SYSTEM, now=NOON, reason="点错了"),
    )
    ticket.refresh_from_db()
    assert (ticket.state, isinstance(both.second, Conflict)) == ("responded", True)
