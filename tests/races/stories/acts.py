"""Two taps at the same moment, on a task or on the board."""

from datetime import date, timedelta
from functools import partial
from typing import Any

from django.db import transaction

from tasks.cadences.changes import lock_cycles
from tasks.followups import services
from tasks.followups.models import PendingSend, Reach, SkipRequest, SpotCheck, Task, TaskEvidence, TaskMove, Urge
from tasks.followups.services.finishing import finish
from tasks.followups.services.guards import lock
from tasks.review.models import StoreWeek, TaskDay
from tasks.review.services import rebuild_days, refresh_days, send_daily_lists, send_weekly_lists
from tasks.review.services.lists import record_talk
from tasks.scripts.loading import load_scripts
from tasks.scripts.models import Script, ScriptFavourite
from tasks.scripts.services import set_favourite
from tests.factories.guides import actor, holder_of, make_staff
from tests.races.at_once import at_once, in_peace, overtaken, queued
from tests.races.world import NOON, World, fresh, messages, state
from yejibao.core.clock import local_day, parse_iso
from yejibao.core.errors import Conflict

MONDAY = date(2025, 3, 10)

# ---------------------------------------------------------------- her own


def _claimed(world: World, task: Task) -> Task:
    return services.record_claimed(fresh(task), actor=world.guide, now=NOON)


def claimed_by_two_taps(world: World) -> None:
    task = world.task()
    both = overtaken(*[lambda: _claimed(world, task)] * 2)
    assert (isinstance(both.second, Conflict), TaskEvidence.objects.count()) == (True, 1)


def done_by_a_receipt_and_by_a_new_friend(world: World) -> None:
    task, other = world.task(), make_staff(store=world.org.store)

    def done(by: int) -> list[int]:
        return finish([task.pk], kind="chat_sent", level=2, now=NOON, by=by)

    both = overtaken(lambda: done(world.org.guide.pk), lambda: done(other.pk))
    task.refresh_from_db()
    assert (both.first, both.second, task.done_by_id) == ([task.pk], [], world.org.guide.pk)


def done_again_is_one_contact(world: World) -> None:
    task = world.task()
    for _ in range(2):
        (done,) = at_once(lambda: finish([task.pk], kind="chat_sent", level=2, now=NOON))
        assert done == [task.pk], done
        Task.objects.filter(pk=task.pk).update(state="open", done_at=None)
    assert Reach.objects.count() == 1


def two_sends_of_one_chat(world: World) -> None:
    member = world.member()
    first, second = world.task(member), world.task(member)

    def prepare(task: Task) -> Any:
        return services.prepare_send(fresh(task), actor=world.guide, script_key="", text="您好", now=NOON)

    both = overtaken(lambda: prepare(first), lambda: prepare(second))
    assert isinstance(both.second, PendingSend) and PendingSend.objects.get().task_id == second.pk


def tasks_are_locked_in_one_order(world: World) -> None:
    """Two tasks of a member ticked 顺带, each on the other's sheet."""
    member = world.member()
    low, high = sorted([world.task(member), world.task(member)], key=lambda task: task.pk)

    def take(task: Task, also: Task) -> str:
        with transaction.atomic():
            return lock(fresh(task), also=[also.pk]).state

    assert queued("tasks_task", [high.pk], partial(take, high, low), partial(take, low, high)) == ["open", "open"]


def cycles_are_locked_in_one_order(world: World) -> None:
    low, high = sorted(world.cycle().pk for _ in range(2))

    def take() -> list[int]:
        with transaction.atomic():
            return lock_cycles([high, low])

    assert queued("tasks_enrollment", [high], take, take) == [[low, high]] * 2


def ended_by_two(world: World) -> None:
    task = world.task()
    both = overtaken(
        lambda: fresh(task).move_to("skipped", closed_at=NOON), lambda: fresh(task).move_to("cancelled", closed_at=NOON)
    )
    assert (isinstance(both.second, Conflict), state(task)) == (True, "skipped")


# ---------------------------------------------------------------- her manager's


def two_managers_decide(world: World) -> None:
    task, second = world.task(), world.second_manager()
    request = services.ask_skip(task, actor=world.guide, reason="出差了", now=NOON)

    def decide(by: Any, approve: bool) -> SkipRequest:
        asked = SkipRequest.objects.get(pk=request.pk)
        return services.decide_skip(asked, actor=actor(by), approve=approve, now=NOON)

    both = overtaken(lambda: decide(world.org.manager, False), lambda: decide(second, True))
    assert (isinstance(both.second, Conflict), state(task)) == (True, "open")


def two_managers_look_at_a_sample(world: World) -> None:
    task, second = world.task(), world.second_manager()
    _claimed(world, task)
    services.sample_spot_checks(week=MONDAY, share=1, now=NOON)

    def judge(by: Any, accept: bool) -> SpotCheck:
        check = SpotCheck.objects.get()
        return services.judge_spot_check(check, actor=actor(by), accept=accept, note="客人说没收到", now=NOON)

    both = overtaken(lambda: judge(world.org.manager, True), lambda: judge(second, False))
    assert (isinstance(both.second, Conflict), state(task)) == (True, "done")


def a_week_sampled_twice(world: World) -> None:
    _claimed(world, world.task())
    both = overtaken(*[lambda: services.sample_spot_checks(week=MONDAY, share=1, now=NOON)] * 2)
    assert (both.first, both.second) == (1, 0)


def two_managers_urge(world: World) -> None:
    task, second = world.task(), world.second_manager()
    both = overtaken(*[
        lambda by=by: services.urge([task], actor=actor(by), now=NOON) for by in (world.org.manager, second)
    ])  # fmt: skip
    assert (both.second.sent, Urge.objects.count(), messages()) == (0, 1, 1)


def two_managers_hand_it_on(world: World) -> None:
    task, to, second = world.task(), make_staff(store=world.org.store), world.second_manager()
    both = overtaken(*[
        lambda by=by: services.reassign([task], actor=actor(by), to=to, reason="调班", now=NOON)
        for by in (world.org.manager, second)
    ])  # fmt: skip
    assert (both.first, both.second, TaskMove.objects.count()) == (1, 0, 1)


# ---------------------------------------------------------------- words


def two_load_the_scripts(world: World) -> None:
    both = overtaken(*[lambda: load_scripts(now=NOON)] * 2)
    assert (in_peace(both.second)["same"], both.second["created"]) == (both.first["created"], 0)


def a_favourite_tapped_twice(world: World) -> None:
    load_scripts(now=NOON)
    key = Script.objects.visible_to(world.guide).in_force().first().key
    both = overtaken(*[lambda: set_favourite(key, actor=world.guide, is_favourite=True, now=NOON)] * 2)
    assert (both.second, ScriptFavourite.objects.count()) == (True, 1)


# ---------------------------------------------------------------- boards and lists


def two_count_the_figures(world: World) -> None:
    world.task()
    both = overtaken(*[lambda: refresh_days(now=NOON)] * 2)
    assert (both.first["added"], both.second) == (1, {"busy": 1})


def two_count_a_day_anew(world: World) -> None:
    world.task()
    day = local_day(NOON)
    both = overtaken(*[lambda: rebuild_days(start=day, end=day, now=NOON)] * 2)
    assert both.second == {"days": 1, "differences": 0}, both.second


def two_beats_send_the_mornings_list(world: World) -> None:
    world.task(due_at=NOON - timedelta(days=1))
    both = overtaken(*[lambda: send_daily_lists(now=NOON)] * 2)
    assert (both.first, isinstance(both.second, dict), messages()) == ({"lists": 1, "tasks": 1}, True, 1)


def two_beats_judge_the_week(world: World) -> None:
    TaskDay.objects.create(
        day=date(2025, 3, 4), task_type="followup_d3", overdue_count=5, computed_at=NOON, guide=world.org.guide,
        store=world.org.store,
    )  # fmt: skip
    both = overtaken(*[lambda: send_weekly_lists(now=parse_iso("2025-03-10 10:00"))] * 2)
    assert (both.first["weak"], in_peace(both.second)["weak"], StoreWeek.objects.count()) == (1, 0, 1)


def two_record_the_talk(world: World) -> None:
    week = StoreWeek.objects.create(
        store=world.org.store, week=MONDAY, done_count=1, due_count=5, is_repeated=True, created_at=NOON
    )
    by = actor(holder_of("branch_member_manager", world.org))
    both = overtaken(*[lambda: record_talk(week, actor=by, note="谈过了，下周再看", now=NOON)] * 2)
    assert isinstance(both.second, Conflict)
