"""重发 and 关闭 of the outbox: a new row with its own number, what hangs on the old one comes along, once."""

from datetime import timedelta

import pytest

from tasks.followups.models import TaskNotice
from tests.factories.crm import make_member
from tests.factories.guides import actor, make_org
from tests.factories.tasks import make_task
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.models import OutboxMessage
from yejibao.core.outbox import deciding, messages

pytestmark = pytest.mark.django_db


@pytest.fixture
def now(clock):
    return clock.travel("2026-11-21 14:20")


@pytest.fixture
def org(now):
    return make_org()


def make_message(org, now, **facts):
    return OutboxMessage.objects.create(
        **{"kind": "digest", "dedupe_key": "digest:1:1", "recipient": org.guide.wecom_user_id, "subject": f"staff:{org.guide.pk}",
           "due_at": now, "next_at": now, "created_at": now, "state": "failed", "errcode": 81013, "priority": 4,
           "not_after": now + timedelta(hours=2), "body_bytes": b"{}", "attempts": 3} | facts
    )  # fmt: skip


def test_a_resent_message_is_a_new_row_that_is_rendered_anew(org, now):
    old = make_message(org, now)
    fresh = deciding.resend(old, actor=actor(org.manager), now=now)
    old.refresh_from_db()
    assert (old.state, old.closed_reason, fresh.retry_of_id) == ("closed", "重发", old.pk)
    assert (fresh.state, fresh.body_bytes, fresh.attempts, fresh.errcode) == ("pending", None, 0, None)
    assert (fresh.dedupe_key, fresh.not_after) == (f"digest:1:1#r{old.pk}", old.not_after)
    with pytest.raises(Conflict):
        deciding.resend(old, actor=actor(org.manager), now=now)
    OutboxMessage.objects.filter(pk=fresh.pk).update(state="parked")
    again = deciding.resend(fresh, actor=actor(org.manager), now=now)
    assert again.dedupe_key == f"digest:1:1#r{old.pk}#r{fresh.pk}"


def test_a_deadline_that_is_past_does_not_hold_for_what_a_person_sends(org, now):
    old = make_message(org, now, not_after=now - timedelta(minutes=1))
    assert deciding.resend(old, actor=actor(org.manager), now=now).not_after is None


@pytest.mark.parametrize("state", ["pending", "claimed", "sent", "unknown", "cancelled", "expired", "closed"])
def test_only_what_failed_or_is_parked_can_be_resent_or_closed(org, now, state):
    row = make_message(org, now, state=state)
    with pytest.raises(Conflict):
        deciding.resend(row, actor=actor(org.manager), now=now)
    with pytest.raises(Conflict):
        deciding.close(row, actor=actor(org.manager), reason="过时了")
    assert OutboxMessage.objects.get().state == state


def test_closing_needs_a_reason(org, now):
    row = make_message(org, now)
    with pytest.raises(Invalid):
        deciding.close(row, actor=actor(org.manager), reason="  ")
    deciding.close(row, actor=actor(org.manager), reason="过时了")
    row.refresh_from_db()
    assert (row.state, row.closed_reason) == ("closed", "过时了")


@pytest.mark.parametrize("kind", ["digest", "urge", "escalation"])
def test_a_resent_list_names_the_tasks_of_the_first_that_are_still_open(org, now, kind):
    still, done = (
        make_task(make_member(owner=org.guide, name=name), org.guide, now=now) for name in ("王建平", "李志强")
    )
    old = make_message(org, now, kind=kind)
    TaskNotice.objects.bulk_create([TaskNotice(message=old, task=task, kind="opened") for task in (still, done)])
    done.move_to("done", done_at=now)
    fresh = deciding.resend(old, actor=actor(org.manager), now=now)
    (claimed,) = messages.claim(now=now)
    assert claimed.pk == fresh.pk
    body = bytes(claimed.body_bytes).decode()
    assert ("王建平" in body, "李志强" in body) == (True, False)


def test_a_resent_list_of_nothing_left_is_not_sent(org, now):
    task = make_task(make_member(owner=org.guide), org.guide, now=now)
    old = make_message(org, now)
    TaskNotice.objects.create(message=old, task=task, kind="opened")
    task.move_to("done", done_at=now)
    fresh = deciding.resend(old, actor=actor(org.manager), now=now)
    assert messages.claim(now=now) == []
    fresh.refresh_from_db()
    assert fresh.state == "cancelled"
