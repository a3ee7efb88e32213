"""Whose a step is: the seller's, the own guide's, the backup's, the manager's, and what overflows."""

import pytest

from tasks.cadences.models import Enrollment, Hand
from tasks.followups import upkeep
from tasks.followups.models import Task, TaskMove
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.guides import make_staff
from tests.factories.tasks import enroll, hand, local, open_at, open_until, put_hand, task_of
from yejibao.core.clock import parse_iso

from .conftest import PAID, conserved, crowd, resting

pytestmark = pytest.mark.django_db


def test_first_touch_by_the_seller_the_rest_by_the_own_guide(org):
    seller = make_staff("guide", store=org.store)
    member = make_member(owner=org.guide, store=org.store)
    make_friend(member, org.guide)
    enroll(make_order(member, paid_at=PAID, guide=seller))
    open_until("2025-03-05 10:00")
    assert {t.node: t.assignee_id for t in Task.objects.all()} == {"m30": seller.pk, "d3": org.guide.pk}


def test_mall_order_without_a_guide_goes_to_the_own_guide_then_the_store(org):
    member = make_member(owner=org.guide, store=org.store)
    enroll(make_order(member, paid_at=PAID, kind="mall"))
    orphan = make_member(store=org.store)
    enroll(make_order(orphan, paid_at=PAID, kind="mall"))
    open_at(PAID)
    assert {t.member_id: t.assignee_id for t in Task.objects.all()} == {
        member.pk: org.guide.pk,
        orphan.pk: org.manager.pk,
    }


def test_rest_on_the_third_day_moves_the_due_one_day(org, cycle):
    resting(org.guide, "2025-03-04")
    open_until("2025-03-04 10:00")
    task = task_of(cycle, "d3")
    assert (task.assignee_id, local(task.due_at)) == (org.guide.pk, "2025-03-05 22:00")


def test_two_rest_days_go_to_the_backup_by_phone_if_no_friend(org, cycle, member):
    helper = make_staff("guide", store=org.store)
    org.guide.backup_guide = helper
    org.guide.save()
    member.phone_consent = True
    member.save()
    resting(org.guide, "2025-03-04", "2025-03-05")
    open_until("2025-03-04 10:00")
    task = task_of(cycle, "d3")
    assert (task.assignee_id, task.channel, task.owner_guide_id) == (helper.pk, "manual_call", org.guide.pk)
    assert TaskMove.objects.get().reason == "backup"


def test_no_backup_on_duty_goes_to_the_manager(org, cycle, member):
    member.phone_consent = True
    member.save()
    resting(org.guide, "2025-03-04", "2025-03-05")
    open_until("2025-03-04 10:00")
    assert task_of(cycle, "d3").assignee_id == org.manager.pk


def test_selling_step_waits_for_the_return_from_leave(org, cycle):
    open_until("2025-03-10 10:00")
    resting(org.guide, "2025-04-01", "2025-04-02", "2025-04-03", "2025-04-04")
    open_until("2025-03-31 10:00")
    task = task_of(cycle, "d30")
    assert (task.assignee_id, local(task.due_at)) == (org.guide.pk, "2025-04-05 22:00")


def test_first_touch_never_waits(org, member):
    helper = make_staff("guide", store=org.store)
    org.guide.backup_guide = helper
    org.guide.save()
    resting(org.guide, "2025-03-01")
    enroll(make_order(member, paid_at=PAID, guide=org.guide))
    open_at(PAID)
    assert Task.objects.get().assignee_id == helper.pk


def test_unopened_steps_wait_for_the_heir(org, cycle):
    open_at(PAID)
    org.guide.state = "resigned"
    org.guide.save()
    assert open_at("2025-03-04 09:30") == {"wait": 1}
    assert hand(cycle)[0] == "d3"


def test_rest_days_entered_later_move_open_work(org, cycle, member):
    helper = make_staff("guide", store=org.store)
    org.guide.backup_guide = helper
    org.guide.save()
    member.phone_consent = True
    member.save()
    open_until("2025-03-04 10:00")
    resting(org.guide, "2025-03-04", "2025-03-05")
    upkeep.cover_absence(org.guide.pk, ["2025-03-04"], now=parse_iso("2025-03-04 11:00"))
    task = task_of(cycle, "d3")
    assert (task.assignee_id, TaskMove.objects.get(task=task).reason) == (helper.pk, "backup")


# ---------------------------------------------------------------- the guide's day


def test_overflow_of_a_full_day_moves_on_by_value(org):
    crowd(org, 18)
    core = crowd(org, 5, tier="core")
    assert open_at("2025-03-31 09:30") == {"open": 20, "shift:guide_cap": 3}
    assert Task.objects.filter(member__in=core).count() == 5
    assert set(Hand.objects.filter(next_step="d30").values_list("next_due_at", flat=True)) == {
        parse_iso("2025-04-01 09:30")
    }
    assert conserved()


def test_overflow_past_its_end_goes_to_a_backup_with_room_or_is_skipped(org):
    crowd(org, 20)
    open_at("2025-03-31 09:30")
    late = make_member(owner=org.guide, store=org.store, phone_consent=True)
    make_friend(late, org.guide)
    enroll(make_order(late, paid_at="2025-02-22 12:00", guide=org.guide))
    fresh = Enrollment.objects.filter(member=late)
    put_hand(*fresh, step="d30", due="2025-03-31 09:40", skipped=2)
    assert open_at("2025-03-31 09:40") == {"skip:guide_cap": 1}
    assert (
        fresh.get().step_reasons == {"d30": "guide_cap", "m30": "late_data"}
        or fresh.get().step_reasons["d30"] == "guide_cap"
    )


def test_first_touch_and_fit_question_are_always_shown(org):
    crowd(org, 20)
    open_at("2025-03-31 09:30")
    member = make_member(owner=org.guide, store=org.store)
    make_friend(member, org.guide)
    enroll(make_order(member, paid_at="2025-03-31 10:00", guide=org.guide))
    assert open_at("2025-03-31 10:00") == {"open": 1}
