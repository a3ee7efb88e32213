"""代客下单 begun from a task: the link that went out in the chat is the task's proof; what has no task proves nothing."""

from typing import Any

import pytest

from crm.events import OrderLinkSent
from tasks.followups.models import PendingSend, TaskEvidence
from tasks.followups.services import prepare_send
from tasks.followups.services.order_links import note_order_links
from tests.conftest import TestClock
from tests.factories.crm import make_friend, make_member
from tests.factories.guides import Org, actor, make_org
from tests.factories.tasks import make_task
from yejibao.core.clock import parse_iso

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-11-23 10:10")


@pytest.fixture
def org(clock: TestClock) -> Org:
    clock.travel(NOW)
    return make_org()


def begun(org: Org, **facts: Any) -> Any:
    member = make_member(owner=org.guide)
    make_friend(member)
    task = make_task(member, org.guide, now=NOW, **facts)
    prepare_send(task, actor=actor(org.guide), script_key="", text="给您配了一套", now=NOW)
    return task


def sent(task: Any, org: Org, at: str = "2026-11-23 10:30", guide: Any = None) -> int:
    guide = guide or org.guide
    return note_order_links([OrderLinkSent(7, task.member_id, guide.pk, parse_iso(at).isoformat())])


def test_the_link_is_the_tasks_proof_once(org: Org) -> None:
    task = begun(org)
    assert [sent(task, org), sent(task, org)] == [1, 0]
    task.refresh_from_db()
    assert (task.state, task.evidence_kind, task.evidence_level, task.done_by_id) == (
        "done",
        "chat_sent",
        2,
        org.guide.pk,
    )
    assert TaskEvidence.objects.get(task=task, kind="chat_sent").payload == {"proxy": 7}
    assert PendingSend.objects.get(task=task).used_at is not None


def test_another_day_another_guide_or_an_answer_to_a_ticket_is_no_proof(org: Org) -> None:
    task = begun(org)
    assert sent(task, org, "2026-11-24 10:30") == 0 and sent(task, org, guide=org.stranger) == 0
    assert sent(begun(org, task_type="aftersale_first_response"), org) == 0
    task.refresh_from_db()
    assert task.state == "open"
