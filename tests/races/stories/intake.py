"""Data comes in twice, and two workers take it over."""

from datetime import timedelta
from typing import Any

from django.db import transaction

from crm.members.models import Member
from crm.quality.models import QualityCount, QualityRun
from crm.quality.services import look_on
from tests.races.at_once import overtaken
from tests.races.world import NOON, World
from yejibao.core.clock import local_day
from yejibao.core.scope import Actor
from yejibao.intake import kinds
from yejibao.intake.kinds import RawRow
from yejibao.intake.models import Batch, RefusedRow, Source
from yejibao.intake.services import batches, close_batch, confirm, file_source, new_batch, retry_refused, take, upload
from yejibao.intake.services.refusals import NotOpen

ACTOR = Actor.system("race")
FILE = "会员号,姓名\nX1,王一\nX2,王二\nX3,\n".encode()


def _upload() -> int:
    batch, _former = upload(
        FILE, name="m.csv", kind=kinds.get("members"), source=file_source(now=NOON), actor=ACTOR, now=NOON
    )
    return batch.pk


def _part(number: int) -> bool:
    return batches._next_part(Batch.objects.select_related("source").get(pk=number), now=NOON)


@transaction.atomic
def _post(source: Source, *rows: dict[str, Any]) -> list[str]:
    batch = new_batch(kinds.get("members"), source, way=Batch.Way.API, now=NOON)
    answers = take(batch, [RawRow(place, row) for place, row in enumerate(rows, 1)], now=NOON)
    close_batch(batch, now=NOON)
    return [answer.outcome for answer in answers]


def a_part_by_two_workers(world: World) -> None:
    number = _upload()
    assert batches._stage(Batch.objects.select_related("source").get(pk=number), float("inf"))
    assert _part(number)
    confirm(Batch.objects.get(pk=number), actor=ACTOR)
    both = overtaken(lambda: _part(number), lambda: _part(number))
    assert (both.first, both.second) == (True, False)
    batch = Batch.objects.get(pk=number)
    assert (batch.state, batch.created_count, batch.refused_count, Member.objects.count()) == ("done", 2, 1, 2)


def a_file_uploaded_twice(world: World) -> None:
    file_source(now=NOON)
    both = overtaken(_upload, _upload)
    assert (both.first == both.second, Batch.objects.count()) == (True, 1)


def a_card_in_two_posts(world: World) -> None:
    source = file_source(now=NOON)
    row = {"member_no": "X1", "name": "王一"}
    both = overtaken(lambda: _post(source, row), lambda: _post(source, row))
    assert (both.first, both.second, Member.objects.count()) == (["created"], ["created"], 1)


def a_wrong_row_in_two_posts(world: World) -> None:
    source = file_source(now=NOON)
    row = {"member_no": "X1", "name": ""}
    both = overtaken(lambda: _post(source, row), lambda: _post(source, row))
    assert (both.first, both.second) == (["refused"], ["refused"])
    assert list(RefusedRow.objects.values_list("key", "tries")) == [("X1", 2)]


def a_row_corrected_by_two(world: World) -> None:
    _post(file_source(now=NOON), {"member_no": "X1", "name": ""})
    row = RefusedRow.objects.get()
    fix = lambda: retry_refused(row, values={"name": "王一"}, actor=ACTOR, now=NOON).outcome  # noqa: E731
    both = overtaken(fix, fix)
    assert (both.first, type(both.second)) == ("created", NotOpen)


def two_who_look_for_what_is_wrong(world: World) -> None:
    world.member(phone="")
    QualityRun.objects.create(day=local_day(NOON), started_at=NOON)
    look = lambda: look_on(now=NOON, budget=timedelta(minutes=1))  # noqa: E731
    both = overtaken(look, look)
    assert both.second == {}, both.second
    assert QualityCount.objects.get(check_key="no_phone").count == 1
