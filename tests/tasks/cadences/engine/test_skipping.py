"""Who is left alone: no channel, opted out, contacted already, often enough."""

from datetime import date, timedelta

import pytest

from tasks.cadences.models import Enrollment
from tasks.followups.models import Reach, Task
from tasks.followups.opening import open_due
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.tasks import enroll, hand, local, make_task, open_at, open_until, task_of
from yejibao.core.clock import parse_iso

from .conftest import PAID, conserved

pytestmark = pytest.mark.django_db


def test_do_not_contact_skips_every_node(org, cycle, member):
    member.do_not_contact = True
    member.save()
    open_until("2025-06-30 10:00")
    cycle.refresh_from_db()
    assert set(cycle.step_reasons.values()) == {"do_not_contact"}
    assert (cycle.steps_skipped, cycle.status) == (5, "completed")
    assert conserved()


def test_opt_out_skips_selling_steps_only(org, cycle, member):
    member.marketing_opt_out = ["wecom_message"]
    member.save()
    open_until("2025-06-30 10:00")
    cycle.refresh_from_db()
    assert sorted(cycle.tasks.values_list("node", flat=True)) == ["d3", "m30"]
    assert cycle.step_reasons == {"d30": "unsubscribed", "d60": "unsubscribed", "d90": "unsubscribed"}


@pytest.mark.parametrize(
    ("phone_consent", "tier", "opened"),
    [(True, "core", {"m30", "d3", "d90"}), (True, "common", {"m30", "d3"}), (False, "core", set())],
)
def test_lost_friend(org, phone_consent, tier, opened):
    member = make_member(owner=org.guide, phone_consent=phone_consent, tier_631=tier)
    make_friend(member, org.guide, state="deleted_by_member")
    enroll(make_order(member, paid_at=PAID, guide=org.guide))
    open_until("2025-06-30 10:00")
    tasks = Task.objects.all()
    assert {task.node for task in tasks} == opened
    assert {task.channel for task in tasks} <= {"manual_call"}


@pytest.mark.parametrize(
    ("phone_consent", "channels"),
    [(True, {"m30": "in_store", "d3": "manual_call", "d30": "manual_call"}), (False, {"m30": "in_store"})],
)
def test_not_a_friend_yet(org, phone_consent, channels):
    member = make_member(owner=org.guide, phone_consent=phone_consent)
    enroll(make_order(member, paid_at=PAID, guide=org.guide))
    open_until("2025-04-01 10:00")
    assert {task.node: task.channel for task in Task.objects.all()} == channels
    if not phone_consent:
        assert Enrollment.objects.get().step_reasons["d3"] == "no_channel"


def reach(member, guide, day):
    task = make_task(member, guide, task_type="aftersale_care")
    Reach.objects.create(member=member, guide=guide, task=task, channel="wecom_message", nature="service", level=2,
                         at=parse_iso(f"{day} 10:00"), day=date.fromisoformat(day))  # fmt: skip


def test_contacted_today_shifts_one_day(org, cycle, member):
    open_until("2025-03-10 10:00")
    reach(member, org.guide, "2025-03-31")
    assert open_at("2025-03-31 10:30") == {"shift:member_cap": 1}
    assert hand(cycle) == ("d30", "2025-04-01 09:30")
    assert open_at("2025-04-01 09:30") == {"open": 1}
    assert local(task_of(cycle, "d30").due_at) == "2025-04-02 22:00"


def test_weekly_cap_shifts_until_the_end_and_then_skips(org, cycle, member):
    open_until("2025-03-10 10:00")
    for day in ("2025-03-30", "2025-03-31", "2025-04-02", "2025-04-03", "2025-04-05", "2025-04-06", "2025-04-07"):
        reach(member, org.guide, day)
    for day in range(8):
        open_due(now=parse_iso("2025-03-31 10:00") + timedelta(days=day))
    cycle.refresh_from_db()
    assert cycle.step_reasons == {"d30": "member_cap"}
    assert conserved()
