"""Purchases, the hands of the cycles, what is opened, ended and told: the engine with two of everything."""

import copy
from collections import Counter
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import transaction

from crm.events import FriendChanged, OrderPaid
from crm.members.models import GuideHandover, OwnershipTransfer
from crm.orders.models import Order, OrderLine
from tasks.cadences.changes import follow_alterations, follow_exchanges, follow_returns
from tasks.cadences.enrolling import enroll_orders
from tasks.cadences.loading import load_3369, read_book
from tasks.cadences.models import CadenceVersion, Enrollment, EnrollmentCause, Hand
from tasks.cadences.parked import retry_parked
from tasks.cadences.recompute import recompute_hands
from tasks.followups import opening, services, upkeep
from tasks.followups.models import Task, TaskMove
from tasks.followups.opening import open_due
from tasks.followups.push import escalate, queue_notices
from tasks.followups.services.first_talk import open_first_talks
from tests.factories.crm import make_ticket
from tests.factories.guides import make_staff
from tests.factories.tasks import hand, make_task, open_until, task_of
from tests.races.at_once import in_peace, overtaken, queued
from tests.races.world import NOON, PAID, World, messages, state
from yejibao.core.clock import local_day, parse_iso
from yejibao.core.models import OutboxEvent
from yejibao.core.outbox import drain_events, publish
from yejibao.core.scope import Actor
from yejibao.core.sql import prepared

DAY = timedelta(days=1)
LATER = parse_iso("2025-03-05 12:00")  # the day of the next purchase

# ---------------------------------------------------------------- enrolling


def two_orders_of_one_member_are_one_cycle(world: World) -> None:
    member = world.member()
    first, second = world.buy(member), world.buy(member)
    both = overtaken(lambda: enroll_orders([first.pk], now=PAID), lambda: enroll_orders([second.pk], now=PAID))
    assert (both.first, both.second) == ({"anchor": 1}, {"joined": 1})


def an_order_enrolled_twice(world: World) -> None:
    order = world.buy(world.member())
    both = overtaken(*[lambda: enroll_orders([order.pk], now=PAID)] * 2)
    assert (both.first, both.second, EnrollmentCause.objects.count()) == ({"anchor": 1}, {}, 1)


def _buys_again(world: World, cycle: Enrollment) -> dict[str, int]:
    """Let a member buy on another day, and bring it to the engine in the same breath."""
    return enroll_orders([world.buy(cycle.member, LATER).pk], now=LATER)


def a_step_opens_while_he_buys_again(world: World) -> None:
    """The engine must see the task that was not there yet when it began to wait."""
    cycle = world.cycle()
    overtaken(lambda: open_due(now=PAID), lambda: _buys_again(world, cycle))
    assert (state(task_of(cycle, "m30")), hand(cycle)) == ("superseded", (None, None))


def _done(world: World, cycle: Enrollment, node: str = "m30") -> Task:
    """Return the task of a step, opened and done a second before `LATER`, so that it can still be undone."""
    open_due(now=PAID)
    Task.objects.filter(enrollment=cycle).update(due_at=LATER + DAY, expire_at=LATER + DAY)
    return services.record_claimed(task_of(cycle, node), actor=world.guide, now=LATER - timedelta(seconds=1))


def a_done_is_taken_back_while_he_buys_again(world: World) -> None:
    cycle = world.cycle()
    task = _done(world, cycle)
    overtaken(lambda: services.undo(task, actor=world.guide, now=LATER), lambda: _buys_again(world, cycle))
    assert state(task) == "superseded"


def he_buys_again_while_a_done_is_taken_back(world: World) -> None:
    cycle = world.cycle()
    task = _done(world, cycle)
    both = overtaken(lambda: _buys_again(world, cycle), lambda: services.undo(task, actor=world.guide, now=LATER))
    assert (state(task), type(both.second).__name__) == ("done", "Conflict")


def undo_and_purchase_do_not_wait_for_each_other(world: World) -> None:
    cycle = world.cycle()
    task = _done(world, cycle)
    bought, undone = queued(
        "tasks_enrollment", [cycle.pk],
        lambda: _buys_again(world, cycle), lambda: services.undo(task, actor=world.guide, now=LATER),
    )  # fmt: skip
    assert (bought, type(undone).__name__) == ({"anchor": 1}, "Conflict")


def _walked(world: World) -> tuple[Enrollment, Task]:
    """Return a cycle that was complete with a task that can still be taken back."""
    cycle = world.cycle()
    Enrollment.objects.filter(pk=cycle.pk).update(plan=["m30"], steps_planned=1)
    task = _done(world, cycle)
    cycle.refresh_from_db()
    assert cycle.status == "completed"
    return cycle, task


def he_buys_again_while_a_complete_cycle_is_taken_back(world: World) -> None:
    cycle, task = _walked(world)
    both = overtaken(lambda: _buys_again(world, cycle), lambda: services.undo(task, actor=world.guide, now=LATER))
    assert (state(task), type(both.second).__name__) == ("done", "Conflict")


def a_complete_cycle_is_taken_back_while_he_buys_again(world: World) -> None:
    """The purchase finds the cycle active again and ends it, at its second try at the latest."""
    cycle, task = _walked(world)
    order = world.buy(cycle.member, LATER)
    publish(OrderPaid(order.pk))
    overtaken(lambda: services.undo(task, actor=world.guide, now=LATER), partial(drain_events, seconds=0.001))
    drain_events()
    running = Enrollment.objects.filter(member=cycle.member, status="active")
    assert ([one.anchor_order_id for one in running], state(task)) == ([order.pk], "superseded")
    assert not OutboxEvent.objects.filter(done_at=None).exists()


# ---------------------------------------------------------------- what changes a cycle


def a_step_opens_while_all_is_returned(world: World) -> None:
    cycle = world.cycle()

    def give_back() -> list[int]:
        Order.objects.filter(pk=cycle.anchor_order_id).update(status="returned", net_amount_fen=0)
        return follow_returns([cycle.anchor_order_id], now=PAID)

    overtaken(lambda: open_due(now=PAID), give_back)
    assert state(task_of(cycle, "m30")) == "cancelled"


def the_third_day_opens_while_he_exchanges(world: World) -> None:
    cycle = world.cycle()
    open_until("2025-03-03 12:00")

    def exchange() -> None:
        OrderLine.objects.filter(order_id=cycle.anchor_order_id).update(item_name="风衣", color="")
        follow_exchanges([cycle.anchor_order_id], NOON, now=NOON)

    overtaken(lambda: open_due(now=NOON), exchange)
    task = task_of(cycle, "d3")
    assert (task.context["items"][0]["name"], local_day(task.due_at)) == ("风衣", local_day(NOON + 3 * DAY))
    assert hand(cycle) == ("d30", "2025-03-31 09:30")


def the_third_day_opens_while_it_is_altered(world: World) -> None:
    cycle = world.cycle()
    open_until("2025-03-03 12:00")

    def alter() -> None:
        facts: Any = {
            "kind": "alteration",
            "order": cycle.anchor_order,
            "opened_at": NOON,
            "pickup_at": "2025-03-06 12:00",
        }
        follow_alterations([make_ticket(cycle.member, **facts).pk], now=NOON)

    overtaken(lambda: open_due(now=NOON), alter)
    assert local_day(task_of(cycle, "d3").due_at) == local_day(parse_iso("2025-03-07 12:00"))
    assert hand(cycle) == ("d30", "2025-03-31 09:30")


def _last(world: World) -> tuple[Enrollment, Task]:
    """Return a cycle of which nothing is left but one open task."""
    cycle = world.cycle()
    open_due(now=PAID)
    Enrollment.objects.filter(pk=cycle.pk).update(plan=["m30"], steps_planned=1)
    Hand.objects.filter(pk=cycle.pk).delete()
    return cycle, task_of(cycle, "m30")


def the_last_task_expires_while_he_buys_again(world: World) -> None:
    cycle, task = _last(world)
    Task.objects.filter(pk=task.pk).update(due_at=PAID, expire_at=PAID)
    bought, expired = queued(
        "tasks_enrollment", [cycle.pk], lambda: _buys_again(world, cycle), lambda: upkeep.expire_tasks(now=LATER)
    )
    assert (bought, expired, state(task)) == ({"anchor": 1}, 1, "expired")


def a_cycle_ends_while_one_of_its_tasks_is_taken_back(world: World) -> None:
    cycle, task = _last(world)
    Task.objects.filter(pk=task.pk).update(due_at=LATER + DAY, expire_at=LATER + DAY)
    other = make_task(cycle.member, world.org.guide, enrollment=cycle, node="d3", due_at=PAID, expire_at=PAID)
    services.record_claimed(task, actor=world.guide, now=LATER)
    overtaken(lambda: services.undo(task, actor=world.guide, now=LATER), lambda: upkeep.expire_tasks(now=LATER))
    cycle.refresh_from_db()
    assert (state(other), state(task), cycle.status) == ("expired", "open", "active")


# ---------------------------------------------------------------- rules


def two_recomputes(world: World) -> None:
    version = CadenceVersion.objects.filter(state="published")
    world.cycle()
    version.update(recompute_after_id=0)
    both = overtaken(*[lambda: recompute_hands(now=NOON)] * 2)
    left = version.get().recompute_after_id
    version.update(recompute_after_id=None)
    assert (both.first, both.second, both.waited, left) == ({"recomputed": 1}, {}, False, None)


def a_recompute_beside_somebody_at_work(world: World) -> None:
    version = CadenceVersion.objects.filter(state="published")
    cycle = world.cycle()
    version.update(recompute_after_id=0)
    both = overtaken(
        lambda: list(Enrollment.objects.select_for_update().filter(pk=cycle.pk)), lambda: recompute_hands(now=NOON)
    )
    version.update(recompute_after_id=None)
    assert both.waited is False


def two_load_new_rules(world: World) -> None:
    book = copy.deepcopy(read_book("followup_3369"))
    book["nodes"][0]["purpose"] += "。"
    online = CadenceVersion.objects.filter(state="published").get()
    both = overtaken(*[lambda: load_3369(now=NOON, book=book)] * 2)
    newer = CadenceVersion.objects.filter(pk__gt=online.pk)
    numbers = list(newer.values_list("number", flat=True))
    newer.update(state="retired")
    CadenceVersion.objects.filter(pk=online.pk).update(state="published")
    newer.delete()
    assert (both.second, numbers) == (both.first, [online.number + 1])


def two_who_retry_what_was_set_aside(world: World) -> None:
    cycle = world.cycle()
    Hand.objects.filter(pk=cycle.pk).update(parked_tries=1)
    both = overtaken(*[lambda: retry_parked(actor=Actor.system("race"), now=NOON)] * 2)
    assert (both.first, both.second, both.waited) == (1, 0, False)


# ---------------------------------------------------------------- opening


def two_openers_and_the_last_place_of_her_day(world: World) -> None:
    """Each opens one step; she has room for one."""
    rules = CadenceVersion.objects.get(state="published").rules
    member = world.member()
    for _ in range(rules["caps"]["guide_shown"] - 1):
        world.task(member)
    for _ in range(2):
        cycle = world.cycle()
        Hand.objects.filter(pk=cycle.pk).update(next_step="d30", next_due_at=parse_iso("2025-03-31 09:30"))
    now = parse_iso("2025-03-31 10:00")
    overtaken(*[lambda: opening._judge_and_move(now, 1)] * 2)
    open_due(now=now)
    assert Task.objects.filter(node="d30").count() == 1


def two_openers(world: World) -> None:
    for _ in range(3):
        world.cycle()
    both = overtaken(*[lambda: open_due(now=PAID)] * 2)
    assert (both.first, both.second, both.waited) == ({"open": 3}, {}, False)


def _judge(ids: list[int], at: Any) -> None:
    """Judge and move as a worker would who believes he has claimed these hands."""
    with transaction.atomic():
        prepared(opening._OPEN, {"ids": ids, "now": at, "today": local_day(at)})


def a_worker_who_lost_his_claim_opens_nothing(world: World) -> None:
    cycle = world.cycle()
    both = overtaken(*[lambda: _judge([cycle.pk], PAID)] * 2)
    assert (both.second, Task.objects.count(), hand(cycle)[0]) == (None, 1, "d3")


def a_worker_who_lost_his_claim_moves_nothing(world: World) -> None:
    cycle = world.cycle()
    overtaken(*[lambda: _judge([cycle.pk], PAID + 2 * DAY)] * 2)  # too late for the first touch: skipped
    assert (hand(cycle)[0], cycle.steps_skipped) == ("d3", 1)


def two_who_set_the_same_cycle_aside(world: World) -> None:
    cycle = world.cycle()
    overtaken(*[lambda: opening._set_aside(PAID, why="race")] * 2)
    assert Hand.objects.get(pk=cycle.pk).parked_tries == 1


# ---------------------------------------------------------------- what time does to tasks


def _done_by(world: World, task: Task, at: Any = NOON) -> partial[Task]:
    return partial(services.record_claimed, task, actor=world.guide, now=at)


def a_task_expires_while_it_is_done(world: World) -> None:
    task = world.task(due_at=NOON, expire_at=NOON)
    both = overtaken(_done_by(world, task), lambda: upkeep.expire_tasks(now=NOON + DAY))
    assert (both.second, state(task)) == (0, "done")


def _held(world: World, why: str) -> Task:
    return world.task(held_at=NOON - 3 * DAY, held_reason=why)


def _ended(task: Task) -> partial[int]:
    rows = Task.objects.filter(pk=task.pk)
    return partial(rows.update, state="superseded", held_at=None, held_reason=None, closed_at=NOON)


def a_hold_for_a_ticket_ends_while_he_buys_again(world: World) -> None:
    task = _held(world, "aftersale")
    overtaken(_ended(task), lambda: upkeep.release_held(now=NOON))
    assert state(task) == "superseded"


def a_hold_for_the_heir_ends_while_he_buys_again(world: World) -> None:
    task = _held(world, "handover")
    overtaken(_ended(task), lambda: upkeep.release_held(now=NOON))
    assert TaskMove.objects.count() == 0


def her_day_off_is_entered_while_she_does_it(world: World) -> None:
    helper = make_staff(store=world.org.store)
    guide = make_staff(store=world.org.store, backup_guide=helper)
    task = world.task(world.member(owner=guide, phone_consent=True), assignee=guide)
    guide.shifts.create(day=local_day(NOON), kind="rest")
    overtaken(
        lambda: Task.objects.filter(pk=task.pk).update(state="done", done_at=NOON),
        lambda: upkeep.cover_absence(guide.pk, [local_day(NOON).isoformat()], now=NOON),
    )
    task.refresh_from_db()
    assert task.assignee_id == guide.pk


def a_friend_is_lost_while_it_is_done(world: World) -> None:
    version = CadenceVersion.objects.get(state="published")
    task = world.task(cadence_version=version)
    overtaken(
        _done_by(world, task),
        lambda: upkeep.follow_friends(task.member_id, task.assignee_id, "deleted_by_member", now=NOON),
    )
    assert state(task) == "done"


def a_care_task_opened_twice(world: World) -> None:
    cycle = world.cycle()
    both = overtaken(*[lambda: services.open_care_tasks([cycle.pk], returned_on=local_day(NOON), now=NOON)] * 2)
    assert (both.first, both.second) == (1, 0)


def introductions_opened_twice(world: World) -> None:
    member = world.member()
    handover = GuideHandover.objects.create(guide=make_staff(store=world.org.store), left_at=NOON)
    OwnershipTransfer.objects.create(
        member=member, to_guide=world.org.guide, reason="resigned", handover=handover, at=NOON
    )
    both = overtaken(*[lambda: services.open_handover_intros(handover.pk, now=NOON)] * 2)
    assert (both.first, both.second) == (1, 0)


def a_first_talk_opened_twice(world: World) -> None:
    event = FriendChanged(world.member().pk, world.org.guide.pk, "friend", NOON.isoformat())
    both = overtaken(*[lambda: open_first_talks([event], now=NOON)] * 2)
    assert (both.first, both.second) == (1, 0)


# ---------------------------------------------------------------- what is told


def two_beats_look_at_what_is_new(world: World) -> None:
    world.task(priority=1, tell_at=NOON)
    both = overtaken(*[lambda: queue_notices(now=NOON)] * 2)
    assert (Counter(both.first), both.second["due"], both.waited) == (Counter(urgent=1, due=1), 0, False)


def two_beats_tell_of_an_urgent_task(world: World) -> None:
    world.task(priority=1, tell_at=NOON)
    both = overtaken(*[lambda: queue_notices(now=NOON)] * 2)
    assert (in_peace(both.second)["urgent"], messages()) == (0, 1)


def two_beats_queue_a_digest(world: World) -> None:
    world.task(priority=2, tell_at=NOON)
    both = overtaken(*[lambda: queue_notices(now=NOON)] * 2)
    assert (in_peace(both.second)["digests"], messages()) == (0, 1)


def two_beats_escalate(world: World) -> None:
    world.task(priority=1, due_at=NOON)
    both = overtaken(*[lambda: escalate(now=NOON + timedelta(hours=1))] * 2)
    assert (both.first, both.second, messages()) == (1, 0, 1)
