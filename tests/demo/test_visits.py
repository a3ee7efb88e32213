"""The demo's invitations: some came, some did not, some come yet; a manager's list is on its way."""

from datetime import timedelta

from crm.visits.models import Visit, VisitGroup
from tests.conftest import TestClock
from tests.factories.crm import make_member, make_order
from tests.factories.guides import make_org
from yejibao.demo import visits


def test_three_weeks_of_invitations(db: None, clock: TestClock) -> None:
    now = clock.travel("2026-11-23 10:10")
    org = make_org()
    for number in range(60):
        member = make_member(owner=org.guide, member_level="V4" if number % 9 == 0 else "V1")
        if number % 3 == 0:
            make_order(member, paid_at=now - timedelta(days=1 + number % 15, minutes=number), store=org.store)
    visits.build(now=now)
    visits.build(now=now)
    here = Visit.objects.filter(store=org.store, group=None)
    assert set(here.values_list("state", flat=True)) >= {"bought", "accepted", "invited", "no_show", "declined"}
    assert here.filter(day__gte="2026-11-23").count() == 9
    assert VisitGroup.objects.get().state == "done"
