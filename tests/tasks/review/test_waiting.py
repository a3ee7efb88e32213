"""Who finds which requests and checks on the board: the manager what is below her, the supervisor what is not."""

from datetime import date

import pytest

from guides.org.models import RoleAssignment, Staff
from tasks.followups import services
from tasks.followups.models import SpotCheck
from tasks.review.queries import waiting_for
from tests.conftest import TestClock
from tests.factories.crm import make_member
from tests.factories.guides import Org, actor, holder_of, make_org
from tests.factories.tasks import make_task
from yejibao.core.clock import parse_iso

pytestmark = pytest.mark.django_db

NOON = parse_iso("2025-03-05 12:00")


@pytest.fixture
def org(clock: TestClock) -> Org:
    clock.travel(NOON)
    return make_org()


def asked_and_claimed(person: Staff) -> None:
    """One skip request and one sampled task of a person."""
    task = make_task(make_member(owner=person, name="刘伟民"), person, now=NOON)
    services.ask_skip(task, actor=actor(person), reason="他出差了", now=NOON)
    done = make_task(make_member(owner=person, name="刘伟民"), person, now=NOON)
    services.record_claimed(done, actor=actor(person), now=NOON)
    SpotCheck.objects.create(task=done, week=date(2025, 3, 10), store=person.store)


def found(org: Org, reader: Staff) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    unit = org.store.unit if reader.store_id else org.area
    waiting = waiting_for(actor(reader), unit, day=date(2025, 3, 5))
    return (
        [(one.asker_id, one.member_name) for one in waiting.requests],
        [(one.guide_id, one.member_name) for one in waiting.checks],
    )


def test_the_manager_decides_on_her_guides_the_supervisor_on_her(org: Org) -> None:
    supervisor = holder_of("area_supervisor", org)
    asked_and_claimed(org.guide)
    asked_and_claimed(org.manager)
    assert found(org, org.manager) == ([(org.guide.pk, "刘伟民")], [(org.guide.pk, "刘伟民")])
    assert found(org, supervisor) == ([(org.manager.pk, "刘**")], [(org.manager.pk, "刘**")])


def test_a_store_without_a_manager_is_the_supervisors(org: Org) -> None:
    supervisor = holder_of("area_supervisor", org)
    asked_and_claimed(org.guide)
    RoleAssignment.objects.filter(staff=org.manager).update(ends_on=date(2025, 3, 4))
    assert found(org, supervisor) == ([(org.guide.pk, "刘**")], [(org.guide.pk, "刘**")])
