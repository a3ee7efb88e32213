"""The rules as shipped, a store, and one member's cycle with nothing opened yet."""

from datetime import date

import pytest

from guides.attendance.models import Shift
from tasks.cadences.conservation import prove
from tasks.cadences.models import Cadence, Enrollment
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.guides import make_org
from tests.factories.tasks import enroll, load_rules, put_hand

PAID = "2025-03-01 15:00"


@pytest.fixture
def org():
    load_rules()
    return make_org()


@pytest.fixture
def member(org):
    member = make_member(owner=org.guide, store=org.store)
    make_friend(member, org.guide)
    return member


@pytest.fixture
def cycle(org, member):
    """A cycle anchored on 2025-03-01 15:00, nothing opened yet."""
    enroll(make_order(member, paid_at=PAID, guide=org.guide))
    return Enrollment.objects.get()


def conserved() -> bool:
    return prove(cadence_id=Cadence.objects.get().pk).missing == 0


def resting(person, *days):
    Shift.objects.bulk_create([Shift(staff=person, day=date.fromisoformat(day), kind="rest") for day in days])


def crowd(org, number, *, tier="common", paid=PAID):
    """`number` members whose d30 opens on 2025-03-31, with m30 and d3 already behind them."""
    members = [make_member(owner=org.guide, store=org.store, tier_631=tier) for _ in range(number)]
    for member in members:
        make_friend(member, org.guide)
        enroll(make_order(member, paid_at=paid, guide=org.guide))
    put_hand(*Enrollment.objects.filter(hand__isnull=False), step="d30", due="2025-03-31 09:30", skipped=2)
    return members
