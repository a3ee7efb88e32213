"""The benches' world is one the engine could have written itself."""

import pytest
from django.db import connection

from bench import world
from crm.members.models import FriendLink, Member
from crm.orders.models import OrderLine
from tasks.cadences.conservation import prove
from tasks.cadences.enrolling import enroll_orders
from tasks.cadences.models import Cadence, Hand
from tasks.followups.models import Task
from tasks.followups.opening import open_due
from yejibao.core.clock import local_day

pytestmark = pytest.mark.django_db(transaction=True)
NOW = world.morning()


@pytest.fixture
def filled() -> None:
    world.company(stores=4, guides=12, now=NOW)
    world.members(120)
    world.enrollments(waiting=60, due=20, now=NOW)
    world.orders(20, now=NOW)
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE bench_guide")


def test_a_filled_world_is_worked_through_and_nothing_is_missing(filled: None) -> None:
    assert (Member.objects.count(), FriendLink.objects.count()) == (120, 96)
    assert Hand.objects.filter(next_due_at__lte=NOW).count() == 20
    assert OrderLine.objects.filter(order_id__gt=60).exists()

    enrolled = enroll_orders(list(range(61, 81)), now=NOW)
    opened = open_due(now=NOW)

    assert enrolled == {"anchor": 20}
    assert opened["open"] == Task.objects.count() >= 30
    assert not prove(cadence_id=Cadence.objects.get().pk).missing
    assert not Hand.objects.filter(next_due_at__lte=NOW).exists()
    assert set(Task.objects.values_list("node", flat=True)) == {"m30", "d3", "d30", "d60", "d90"}
    assert local_day(NOW) == local_day(Task.objects.first().open_at)


def test_indexes_are_whole_again(filled: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_index WHERE NOT (indisready AND indisvalid)")
        assert cursor.fetchone() == (0,)
    assert Member.objects.create(name="x", member_no="x").pk == 121
