"""A leave of several days: every day of it is leave, somebody does the work, the members stay hers."""

from datetime import date
from typing import Any

import pytest

from guides.attendance.leave import set_leave
from guides.attendance.models import Shift
from guides.attendance.services import NotYourRoster
from tests.factories.guides import Org, actor, make_org, make_staff
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Invalid
from yejibao.core.outbox.models import OutboxEvent

pytestmark = pytest.mark.django_db

NOW = parse_iso("2026-11-23 10:00")
FIRST, LAST = date(2026, 11, 24), date(2026, 12, 23)


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel(NOW)
    return make_org()


def leave(org: Org, **facts: Any) -> int:
    return set_leave(
        org.guide, **({"starts_on": FIRST, "ends_on": LAST, "actor": actor(org.manager), "now": NOW} | facts)
    )


def test_each_day_is_leave_and_the_backup_is_named(org: Org, django_assert_num_queries: Any) -> None:
    backup = make_staff(store=org.store)
    assert leave(org, backup=backup) == 30
    org.guide.refresh_from_db()
    assert (org.guide.backup_guide, org.guide.state) == (backup, "active")
    assert set(Shift.objects.filter(staff=org.guide).values_list("kind", flat=True)) == {"leave"}
    (event,) = OutboxEvent.objects.filter(topic="guides.staff_away_changed")
    assert len(event.payload["days"]) == 30


def test_what_makes_no_sense_is_refused(org: Org) -> None:
    for facts in (
        {"ends_on": date(2026, 11, 23)},
        {"ends_on": date(2027, 11, 23)},
        {"backup": org.stranger},
        {"backup": org.guide},
    ):
        with pytest.raises(Invalid):
            leave(org, **facts)
    with pytest.raises(NotYourRoster):
        leave(org, actor=actor(make_staff("store_manager", store=org.other_store)))
    assert not Shift.objects.exists()
