"""Two taps at the same moment: one effect, one winner."""

from typing import Any

import pytest

from crm.members.models import Member
from tasks.followups import services
from tasks.followups.models import PendingSend, Reach, SkipRequest, Task, TaskEvidence, Urge
from tasks.scripts.models import ScriptUse
from tests.conftest import TestClock
from tests.factories.crm import make_friend, make_member
from tests.factories.guides import Org, actor, make_org, make_staff
from tests.factories.tasks import make_task
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Conflict
from yejibao.core.models import OutboxMessage

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


def test_claimed_by_two_taps_is_claimed_once(org: Org, task: Task) -> None:
    answers = at_once(*[lambda: services.record_claimed(fresh(task), actor=actor(org.guide), now=NOON)] * 2)
    assert sorted(isinstance(answer, Conflict) for answer in answers) == [False, True]
    assert TaskEvidence.objects.count() == 1


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


def test_two_prepared_sends_of_one_chat(org: Org, member: Member, task: Task) -> None:
    other = make_task(member, org.guide, now=NOON)

    def prepare(which: Task) -> Any:
        return services.prepare_send(fresh(which), actor=actor(org.guide), script_key="", text="您好", now=NOON)

    answers = at_once(lambda: prepare(task), lambda: prepare(other), lambda: prepare(task))
    assert all(isinstance(answer, PendingSend) for answer in answers)
    assert PendingSend.objects.count() == 1


def test_two_managers_decide_at_once(org: Org, task: Task) -> None:
    second = make_staff("store_manager", store=org.store)
    request = services.ask_skip(task, actor=actor(org.guide), reason="出差了", now=NOON)

    def decide(person: Any, approve: bool) -> SkipRequest:
        asked = SkipRequest.objects.get(pk=request.pk)
        return services.decide_skip(asked, actor=actor(person), approve=approve, now=NOON)

    answers = at_once(lambda: decide(org.manager, True), lambda: decide(second, False))
    assert sorted(isinstance(answer, Conflict) for answer in answers) == [False, True]
    request.refresh_from_db()
    assert fresh(task).state == ("skipped" if request.state == "approved" else "open")


def test_two_urges_at_once_are_one(org: Org, task: Task) -> None:
    second = make_staff("store_manager", store=org.store)
    answers = at_once(*[lambda by=by: services.urge([task], actor=actor(by), now=NOON) for by in (org.manager, second)])
    assert sorted(answer.sent for answer in answers) == [0, 1]
    assert (Urge.objects.count(), OutboxMessage.objects.count()) == (1, 1)


def test_two_skip_requests_at_once_are_one(org: Org, task: Task) -> None:
    answers = at_once(*[lambda: services.ask_skip(fresh(task), actor=actor(org.guide), reason="出差了", now=NOON)] * 2)
    assert sorted(isinstance(answer, Conflict) for answer in answers) == [False, True]
