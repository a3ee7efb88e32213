"""What the outbox keeps, and for how long."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tasks.followups.models import TaskNotice
from tests.factories.crm import make_member
from tests.factories.guides import make_org
from tests.factories.tasks import make_task
from yejibao.core.jobs import tidy_outbox
from yejibao.core.models import OutboxEvent, OutboxMessage
from yejibao.core.outbox import keeping

pytestmark = pytest.mark.django_db


def message(at: datetime, state: str = "sent", **more: Any) -> OutboxMessage:
    key = f"{state}:{OutboxMessage.objects.count()}"
    return OutboxMessage.objects.create(
        kind="digest", dedupe_key=key, recipient="lan", due_at=at, next_at=at, created_at=at, state=state, body_bytes=b"x",
        **more,
    )  # fmt: skip


def test_bodies_go_after_a_month_rows_after_half_a_year(clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = clock.travel("2026-12-01 05:30")
    ago = {days: now - timedelta(days=days) for days in (1, 31, 32, 191, 300)}
    fresh, month = message(ago[1]), message(ago[31])
    parked = message(ago[32], "parked")
    old, older = message(ago[191]), message(ago[300], "closed")
    stuck = message(ago[300], "failed")
    OutboxMessage.objects.filter(pk=fresh.pk).update(retry_of=older)
    org = make_org()
    task = make_task(make_member(owner=org.guide), org.guide)
    TaskNotice.objects.create(message=old, task=task, kind="digest")
    for at, done in ((ago[31], True), (ago[1], True), (ago[300], False)):
        OutboxEvent.objects.create(topic="t", payload={}, created_at=at, done_at=at if done else None)
    monkeypatch.setattr(keeping, "DELETED_AT_ONCE", 1)
    assert tidy_outbox() == {"bodies": 1, "messages": 2, "events": 1}
    assert tidy_outbox() == {"bodies": 0, "messages": 0, "events": 0}
    bodies = {row.pk: bool(row.body_bytes) for row in OutboxMessage.objects.all()}
    assert bodies == {fresh.pk: True, month.pk: False, parked.pk: True, stuck.pk: True}
    assert not TaskNotice.objects.exists() and OutboxEvent.objects.count() == 2


def test_out_of_time_it_goes_on_the_next_night(clock: Any) -> None:
    now = clock.travel("2026-12-01 05:30")
    for days in (31, 200):
        message(now - timedelta(days=days))
    assert keeping.tidy_up(now=now, seconds=-1) == {"bodies": 1, "messages": 0, "events": 0}
    assert keeping.tidy_up(now=now)["messages"] == 1
