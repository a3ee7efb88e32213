"""Two taps at the same moment: one effect, one winner."""

import pytest

from crm.members.models import Member
from tasks.followups import services
from tasks.followups.models import Reach, Task, TaskEvidence
from tasks.scripts.models import ScriptUse
from tests.conftest import TestClock
from tests.factories.crm import make_friend, make_member
from tests.factories.guides import Org, actor, make_org, make_staff
from tests.factories.tasks import make_task
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Conflict

from .at_once import at_once

pytestmark = pytest.mark.django_db(transaction=True)

NOON = parse_iso("2025-03-04 12:00")


@pytest.fixture
def org(clock: TestClock) -> Org:
    clock.travel(NOON)
    return make_org()


@pytest.fixture
def member(org: Org) -> Member:
    member = make_member(owner=org.guide)
    make_friend(member)
    return member


@pytest.fixture
def task(org: Org, member: Member) -> Task:
    return make_task(member, org.guide, now=parse_iso("2025-03-04 10:00"))


def fresh(task: Task) -> Task:
    return Task.objects.get(pk=task.pk)


def sent(task: Task, org: Org) -> Task:
    return services.record_sent(fresh(task), actor=actor(org.guide), text="合身吗？", now=NOON)


def test_one_receipt_delivered_three_times_at_once(org: Org, task: Task) -> None:
    answers = at_once(*[lambda: sent(task, org)] * 3)
    assert [answer.state for answer in answers] == ["done"] * 3
    assert (TaskEvidence.objects.count(), Reach.objects.count(), ScriptUse.objects.count()) == (1, 1, 1)


def test_sent_while_the_manager_hands_it_on(org: Org, task: Task) -> None:
    to = make_staff("guide", store=org.store)
    answers = at_once(
        lambda: sent(task, org),
        lambda: services.reassign([task], actor=actor(org.manager), to=to, reason="调班", now=NOON),
    )
    task.refresh_from_db()
    if task.assignee_id == to.pk:  # handed on first: the sender was no longer hers
        assert isinstance(answers[0], services.NotYourTask) and task.state == "open"
    else:
        assert (task.state, answers[1]) == ("done", 0)


def test_two_skip_requests_at_once_are_one(org: Org, task: Task) -> None:
    answers = at_once(*[lambda: services.ask_skip(fresh(task), actor=actor(org.guide), reason="出差了", now=NOON)] * 2)
    assert sorted(isinstance(answer, Conflict) for answer in answers) == [False, True]
