"""An open task and a cycle of one member, and short ways to prepare, send and be refused."""

from datetime import timedelta
from typing import Any

import pytest

from crm.members.models import Member
from guides.org.models import Staff
from tasks.cadences.models import Enrollment
from tasks.followups import services
from tasks.followups.models import PendingSend, Task
from tasks.followups.services import NotSendable
from tests.conftest import TestClock
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.guides import Org, actor, make_org
from tests.factories.tasks import enroll, load_rules, make_task
from yejibao.core.clock import parse_iso

PAID = "2025-03-01 15:00"
NOON = parse_iso("2025-03-04 12:00")
SECOND = timedelta(seconds=1)


@pytest.fixture
def org(clock: TestClock) -> Org:
    clock.travel(NOON)
    load_rules()
    return make_org()


@pytest.fixture
def member(org: Org) -> Member:
    member = make_member(owner=org.guide, salutation="王哥")
    make_friend(member)
    return member


@pytest.fixture
def task(org: Org, member: Member) -> Task:
    """An open d3 without a cycle, due at six in the evening."""
    return make_task(member, org.guide, now=parse_iso("2025-03-04 10:00"))


@pytest.fixture
def cycle(org: Org, member: Member) -> Enrollment:
    enroll(make_order(member, paid_at=PAID, guide=org.guide))
    return Enrollment.objects.get()


def prepare(task: Task, person: Staff, now: Any = NOON, **facts: Any) -> PendingSend:
    return services.prepare_send(task, actor=actor(person), script_key="", text="王哥，合身吗？", now=now, **facts)


def sent(task: Task, person: Staff, now: Any = NOON, **facts: Any) -> Task:
    return services.record_sent(task, actor=actor(person), text="王哥，合身吗？", now=now, **facts)


def refused(task: Task, person: Staff, now: Any = NOON) -> str:
    """Return the reason a send was refused for, with the task as it stands now."""
    with pytest.raises(NotSendable) as refusal:
        prepare(task, person, now)
    assert str(refusal.value) and "%" not in str(refusal.value)
    task.refresh_from_db()
    assert not PendingSend.objects.filter(task=task).exists()
    return str(refusal.value.extra["reason"])
