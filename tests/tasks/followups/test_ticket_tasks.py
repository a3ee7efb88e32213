"""What a ticket wants of a guide: the first word, a reminder when it is ready, a question the day after. Times are local."""

from datetime import timedelta
from typing import Any

import pytest

from crm.aftersale import services
from crm.aftersale.models import Ticket
from crm.surveys.services import Given, rate_ticket
from guides.org.actors import actor_for
from tasks.followups.models import Task
from tasks.followups.services import log_call
from tasks.followups.services.ticket_tasks import follow_tickets
from tests.factories.crm import make_friend, make_member, make_ticket
from tests.factories.guides import Org, make_org
from tests.factories.surveys import make_survey, say
from yejibao.core import outbox
from yejibao.core.clock import parse_iso
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system()
NOON = parse_iso("2025-03-04 11:00")


@pytest.fixture
def org() -> Org:
    return make_org()


@pytest.fixture
def member(org: Org) -> Any:
    found = make_member(owner=org.guide, phone="13800002222", phone_consent=True)
    make_friend(found, org.guide)
    return found


def tasks(kind: str) -> list[Task]:
    return list(Task.objects.filter(task_type=kind).order_by("open_at", "pk"))


def opened(member: Any, *, kind: str = "return", now: Any = NOON) -> Ticket:
    ticket = services.open_ticket(member, kind=kind, actor=SYSTEM, now=now)
    follow_tickets([ticket.pk], now=now)
    return ticket


def test_the_first_word_is_a_task_until_it_is_said(member: Any, org: Org) -> None:
    ticket = opened(member)
    follow_tickets([ticket.pk], now=NOON)
    (task,) = tasks("aftersale_first_response")
    assert (task.assignee, task.state, task.due_at, task.channel) == (
        org.guide,
        "open",
        ticket.first_due_at,
        "wecom_message",
    )
    later = NOON + timedelta(minutes=9)
    services.reply(ticket, "看到了", actor=actor_for(org.guide), now=later)
    follow_tickets([ticket.pk], now=later)
    task.refresh_from_db()
    assert (task.state, task.done_at, task.done_by, task.evidence_kind) == ("done", later, org.guide, "ticket_replied")


def test_what_the_manager_took_over_is_no_task_of_hers(member: Any, org: Org) -> None:
    ticket = opened(member)
    services.pass_up_late(now=NOON + timedelta(minutes=30))
    follow_tickets([ticket.pk], now=NOON + timedelta(minutes=30))
    (task,) = tasks("aftersale_first_response")
    assert (task.state, task.closed_reason) == ("cancelled", "ticket_passed")
    secret = services.open_ticket(
        member, kind="complaint", topic="服务态度", is_about_guide=True, actor=SYSTEM, now=NOON, description="冷淡"
    )
    follow_tickets([secret.pk], now=NOON)
    assert len(tasks("aftersale_first_response")) == 1


def test_ready_is_told_at_once_and_twice_more_until_it_is_fetched(member: Any, org: Org) -> None:
    ticket = make_ticket(member, kind="care", opened_at=NOON, state="ready", store=org.store)
    evening = parse_iso("2025-03-04 22:30")
    follow_tickets([ticket.pk], now=evening)
    found = [(task.open_at, task.due_at) for task in tasks("pickup_reminder")]
    assert found == [
        (parse_iso("2025-03-05 09:30"), parse_iso("2025-03-05 11:30")),
        (parse_iso("2025-03-11 09:30"), parse_iso("2025-03-11 22:00")),
        (parse_iso("2025-03-19 09:30"), parse_iso("2025-03-19 22:00")),
    ]
    services.close_ticket(ticket, actor=SYSTEM, now=parse_iso("2025-03-06 12:00"), reason="取走了")
    follow_tickets([ticket.pk], now=parse_iso("2025-03-06 12:00"))
    assert {task.state for task in tasks("pickup_reminder")} == {"cancelled"}
    (care,) = tasks("aftersale_care")
    assert (care.open_at, care.due_at, care.expire_at) == (
        parse_iso("2025-03-07 09:30"), parse_iso("2025-03-07 22:00"), parse_iso("2025-03-09 22:00")
    )  # fmt: skip


def test_what_was_cancelled_is_not_asked_after(member: Any, org: Org) -> None:
    ticket = make_ticket(member, opened_at=NOON, state="cancelled", closed_at=NOON, store=org.store)
    follow_tickets([ticket.pk], now=NOON)
    assert tasks("aftersale_care") == []


def test_two_stars_are_the_managers_call(member: Any, org: Org) -> None:
    ticket = make_ticket(member, opened_at=NOON, state="closed", closed_at=NOON, store=org.store)
    rate_ticket(ticket, Given(1), actor=Actor(kind="member", member_id=member.pk), now=NOON)
    low = Ticket.objects.get(channel="survey_low_score")
    follow_tickets([ticket.pk, low.pk], now=NOON)
    (task,) = tasks("survey_low_score")
    assert (task.assignee, task.due_at, task.why) == (
        org.manager,
        NOON + timedelta(hours=2),
        "他打了 1 星，打个电话听他说",
    )
    services.reply(low, "给您道歉了，换一件", actor=actor_for(org.manager), now=NOON)
    follow_tickets([low.pk], now=NOON)
    (task,) = tasks("survey_low_score")
    assert (task.state, task.done_by) == ("done", org.manager)


def test_her_call_is_the_first_word_of_the_complaint(member: Any, org: Org) -> None:
    say(make_survey(member, asked_at=NOON), 2, now=NOON)
    low = Ticket.objects.get()
    follow_tickets([low.pk], now=NOON)
    (task,) = tasks("survey_low_score")
    log_call(task, actor=actor_for(org.manager), now=NOON, result="connected", note="说开了，给他换一件")
    outbox.drain_events()
    low.refresh_from_db()
    assert (low.state, low.first_reply_at) == ("responded", NOON)


def test_the_statements_do_not_grow_with_the_tickets(member: Any, org: Org, django_assert_num_queries: Any) -> None:
    few = [make_ticket(member, opened_at=NOON, store=org.store).pk for _ in range(8)]
    with django_assert_num_queries(6 + 2):  # and its savepoint
        follow_tickets(few, now=NOON)
    assert len(tasks("aftersale_first_response")) == 8
