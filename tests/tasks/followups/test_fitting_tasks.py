"""What a fitting wants of his own guide: the reminder, a word at each step, 可以来取; and what is taken back."""

from datetime import timedelta

import pytest

from crm.members.models import Member
from crm.tailoring import services
from crm.tailoring.models import Fitting
from tasks.followups.models import Task
from tasks.followups.services.fitting_tasks import follow_fittings
from tasks.scripts.loading import load_scripts
from tasks.scripts.ranking import offer
from tests.conftest import TestClock
from tests.factories.crm import make_friend, make_member
from tests.factories.guides import Org, actor, make_org
from tests.factories.portal import as_member
from tests.factories.tailoring import SUIT, make_fitting, taken
from yejibao.core import clock as product_clock
from yejibao.core.clock import parse_iso

pytestmark = pytest.mark.django_db
NOW = "2026-11-21 14:00"


@pytest.fixture
def org(clock: TestClock) -> Org:
    clock.travel(NOW)
    return make_org()


@pytest.fixture
def member(org: Org) -> Member:
    he = make_member(owner=org.guide, name="王建平", salutation="王哥")
    make_friend(he)
    return he


def follow(held: Fitting) -> list[tuple[str, str, str]]:
    """Follow it twice and return its tasks as (kind, state, scene)."""
    for _ in range(2):
        follow_fittings([held.pk], now=product_clock.now())
    rows = Task.objects.filter(context__fitting=held.pk).order_by("pk")
    return [(one.task_type, one.state, one.context["scene"]) for one in rows]


def test_he_is_reminded_on_the_day_two_hours_before(member: Member, org: Org) -> None:
    held = make_fitting(member)
    assert follow(held) == [("visit_reminder", "open", "any")]
    task = Task.objects.get()
    assert (task.open_at, task.due_at, task.expire_at) == (
        parse_iso("2026-11-24 09:30"), parse_iso("2026-11-24 12:00"), parse_iso("2026-11-24 14:00"),
    )  # fmt: skip
    assert (task.assignee_id, task.channel, task.hidden_until) == (org.guide.pk, "wecom_message", task.open_at)
    assert task.why == "约了 14:00 来量体，提醒一句" and task.context["facts"] == {"visit_time": "11月24日 14:00"}


def test_moved_it_is_another_reminder_and_back_again_too(member: Member, org: Org) -> None:
    held = make_fitting(member)
    follow(held)
    at = held.starts_at
    for hours in (2, 0):
        held = services.move_fitting(
            held, starts_at=at + timedelta(hours=hours), actor=as_member(member), now=product_clock.now()
        )
        follow(held)
    states = list(Task.objects.order_by("pk").values_list("state", "expire_at"))
    assert states == [("cancelled", at), ("cancelled", at + timedelta(hours=2)), ("open", at)]
    services.cancel_fitting(held, actor=as_member(member), now=product_clock.now())
    assert {state for _kind, state, _scene in follow(held)} == {"cancelled"}


def test_each_step_is_said_once_and_the_one_before_no_more(member: Member, org: Org, clock: TestClock) -> None:
    held = make_fitting(member, state="measured")
    assert follow(held)[-1] == ("fitting_progress", "open", "confirm")
    told = {"actor": actor(org.guide), "now": product_clock.now()}
    held = services.confirm_by_member(
        held, seen=services.mark_of(held), actor=as_member(member), now=product_clock.now()
    )
    assert follow(held) == [("fitting_progress", "cancelled", "confirm")]
    held = services.start_making(held, promised_on=parse_iso("2026-12-16 00:00").astimezone().date(), **told)
    assert follow(held)[-1] == ("fitting_progress", "open", "making")
    held = services.delay_making(held, promised_on=held.promised_on + timedelta(days=3), reason="里布缺货", **told)
    assert follow(held)[1:] == [("fitting_progress", "cancelled", "making"), ("fitting_progress", "open", "delayed")]
    assert (
        Task.objects.latest("pk").context["facts"]["pickup_date"]
        == f"{held.promised_on.month}月{held.promised_on.day}日"
    )
    held = services.mark_ready(held, **told)
    kinds = follow(held)
    assert [one for one in kinds if one[0] == "pickup_reminder"] == [("pickup_reminder", "open", "fitting")] * 3
    days = [one.open_at for one in Task.objects.filter(task_type="pickup_reminder").order_by("pk")]
    assert days == [product_clock.now(), parse_iso("2026-11-28 09:30"), parse_iso("2026-12-06 09:30")]
    held = services.hand_over(held, **told)
    assert {state for _kind, state, _scene in follow(held)} == {"cancelled"}


def test_measured_at_closing_time_it_is_said_in_the_morning(member: Member, org: Org, clock: TestClock) -> None:
    held = make_fitting(member)
    clock.travel("2026-11-24 22:05")
    held = services.measure_member(held, taken(), SUIT, actor=actor(org.guide), now=product_clock.now())
    follow(held)
    task = Task.objects.get(task_type="fitting_progress")
    assert (task.open_at, task.due_at) == (parse_iso("2026-11-25 09:30"), parse_iso("2026-11-25 10:30"))


def test_whom_nobody_can_reach_no_task_is_made_for(org: Org) -> None:
    held = make_fitting(make_member(owner=org.guide), state="measured")
    assert follow(held) == []


def test_the_words_fit_the_step(member: Member, org: Org) -> None:
    load_scripts(now=product_clock.now())
    held = make_fitting(member, state="making")
    follow(held)
    task = Task.objects.get(task_type="fitting_progress")
    (first, *_rest) = offer(task, guide=org.guide, now=product_clock.now())
    assert first.text == "王哥，您的藏青斜纹 120 支开裁了，预计12月16日做好，一做好我就告诉您。"
