"""Steps open once, whatever one row does, at the same cost for any number."""

import pytest

from tasks.cadences.models import Enrollment
from tasks.followups.models import Task
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.tasks import enroll, open_at, put_hand

from .conftest import PAID, crowd

pytestmark = pytest.mark.django_db


def test_a_step_opens_once(org, cycle):
    open_at(PAID)
    put_hand(cycle, step="m30", due=PAID)  # a hand that was put back
    open_at(PAID)
    assert Task.objects.count() == 1


def test_repurchase_the_engine_has_not_heard_of_waits_for_its_event(org, cycle, member):
    open_at(PAID)
    make_order(member, paid_at="2025-03-03 12:00", guide=org.guide)
    assert open_at("2025-03-04 09:30") == {"wait": 1}


def test_one_bad_row_does_not_stop_the_others(org, cycle, member):
    other = make_member(owner=org.guide, store=org.store)
    make_friend(other, org.guide)
    enroll(make_order(other, paid_at="2025-03-01 15:10", guide=org.guide))
    Enrollment.objects.filter(pk=cycle.pk).update(items={"not": "a list"})
    counts = open_at("2025-03-01 15:20")
    assert (counts.get("parked"), counts.get("open")) == (1, 1)


def test_opening_needs_the_same_queries_for_any_length(org, django_assert_num_queries):
    crowd(org, 3)
    with django_assert_num_queries(8):  # lock, claim, judge-and-move, and the empty second look, each in a savepoint
        open_at("2025-03-31 09:30")
