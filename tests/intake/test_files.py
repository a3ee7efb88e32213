"""Files: what is read, checked, taken over, and what happens in between."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from crm.members.models import Member
from guides.org.loading import load_org, made_up_org
from tests.intake.planted import member_lines
from yejibao.core import clock
from yejibao.core.scope import Actor
from yejibao.intake import kinds
from yejibao.intake.models import Batch, RefusedRow, StagedRow
from yejibao.intake.services import cancel, confirm, file_source, go_on, upload

pytestmark = pytest.mark.django_db
LONG = timedelta(minutes=5)
ACTOR = Actor.system("test")


@pytest.fixture(autouse=True)
def world(clock: Any) -> None:
    clock.travel("2026-03-05 12:00")
    load_org(made_up_org(branches=1, regions=1, areas=1, stores=20, staff=60), now=clock.now())


def send(text: str | bytes, *, kind: str = "members", name: str = "file.csv") -> Batch:
    content = text.encode() if isinstance(text, str) else text
    now = clock.now()
    batch, _former = upload(content, name=name, kind=kinds.get(kind), source=file_source(now=now), actor=ACTOR, now=now)
    return batch


def work(batch: Batch) -> Batch:
    go_on(batch.pk, now=clock.now(), budget=LONG)
    batch.refresh_from_db()
    return batch


def take_over(batch: Batch) -> Batch:
    confirm(work(batch), actor=ACTOR)
    return work(batch)


def counts(batch: Batch) -> tuple[int, int, int, int]:
    return batch.created_count, batch.changed_count, batch.same_count, batch.refused_count


def test_planted_faults_are_named_and_nothing_else() -> None:
    lines, named = member_lines(3000, 60, stores=20, guides=30)
    batch = work(send("\n".join(lines)))
    assert (batch.state, counts(batch)) == ("checked", (2940, 0, 0, 60))
    assert Member.objects.count() == 0, "nothing before somebody confirmed"
    confirm(batch, actor=ACTOR)
    batch = work(batch)
    assert (batch.state, counts(batch)) == ("done", (2940, 0, 0, 60))
    assert {row.line: row.errors[0]["field"] for row in RefusedRow.objects.all()} == named
    assert (Member.objects.count(), StagedRow.objects.count()) == (2940, 0)
    first = Member.objects.get(member_no="X0000000")
    assert (first.name, first.gender, first.phone, first.phone_last4) == ("王0", "f", "13800000000", "0000")
    assert (first.birth_year, first.birth_month, first.birth_day) == ("1960", 1, 1)
    assert (first.owner_guide.wecom_user_id, first.main_store.code, first.join_channel) == ("gd0", "s0", "excel")


def test_the_same_file_again_changes_nothing() -> None:
    lines, named = member_lines(300, 15, stores=20, guides=30)
    take_over(send("\n".join(lines)))
    batch = take_over(send("\n".join(lines)))
    assert (batch.state, counts(batch)) == ("done", (0, 0, 285, 15))
    assert RefusedRow.objects.filter(state="open").count() == len(named) == 15
    assert Member.objects.count() == 285
