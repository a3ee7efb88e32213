"""A batch on its way: staged, checked, taken over. Each step is a few statements over a range of rows, in one transaction.

The hand of a batch says how far its present state has come, and moves in the transaction that did the work: a killed worker
leaves a batch that the next one goes on with, and two workers at once do each range once.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from yejibao.core import audit, clock
from yejibao.core.errors import Invalid, TooLarge
from yejibao.core.scope import Actor
from yejibao.core.sql import twice_if_deadlocked
from yejibao.intake import kinds, stage
from yejibao.intake.kinds import Kind, RawRow
from yejibao.intake.models import Batch, Source, Upload
from yejibao.intake.stage import Answer, Stage
from yejibao.intake.tables import FileRefused, Table

from .refusals import forget_superseded, settle_rows

log = logging.getLogger("yejibao.intake")

MAX_ROWS = 1000  # of a post
MAX_FILE_BYTES, MAX_FILE_ROWS = 20 * 1024 * 1024, 200_000
STAGED_AT_ONCE = 20_000
MANY = 10_000  # rows after which the planner's picture of the tables is wrong
SUFFIXES = (".csv", ".txt", ".xlsx", ".xls", ".gz")
State = Batch.State


class TooManyRows(Invalid):
    code, title = "feed.too_many_rows", _("一批最多 1,000 条")


class FileTooLarge(TooLarge):
    code, title = "intake.file_too_large", _("文件太大，最多 20 MB，请分成几个再传")


class FileUnreadable(Invalid):
    code, title = "intake.file_unreadable", _("这个文件读不了")


# ---------------------------------------------------------------- rows that came by API or command: at once


def new_batch(kind: Kind, source: Source, *, way: str, now: datetime, by_id: int | None = None, **facts: Any) -> Batch:
    """Return a batch that is not stored yet but has its number."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('intake_batch', 'id'))")
        (number,) = cursor.fetchone()
    return Batch(
        pk=number, source=source, kind=kind.key, way=way, state=State.COMMITTING, day=clock.local_day(now), by_id=by_id,
        created_at=now, moved_at=clock.system_now(), **facts,
    )  # fmt: skip


def open_batch(kind: Kind, source: Source, *, way: str, now: datetime, **facts: Any) -> Batch:
    """Store a batch whose rows come in parts (`take`), until `close_batch`."""
    batch = new_batch(kind, source, way=way, now=now, **facts)
    batch.save(force_insert=True)
    return batch


def take(
    batch: Batch,
    rows: Sequence[RawRow],
    *,
    now: datetime,
    is_text: bool = False,
    is_dry_run: bool = False,
    hold: bool = False,
) -> list[Answer]:
    """Take over rows of a batch, all in one transaction, and return what became of each, in order. Raises TooManyRows.

    A row that is wrong is refused alone and waits in the error queue. `is_dry_run` does all of it and keeps nothing.
    """
    if len(rows) > MAX_ROWS:
        raise TooManyRows(_("这一批有 %(count)d 条，请分批提交") % {"count": len(rows)})
    kind = kinds.get(batch.kind)
    with transaction.atomic():
        last = stage.put(batch.pk, kind, rows, after=batch.row_count, is_text=is_text)
        part = Stage(
            batch.pk, kind, batch.source.name, now, batch.row_count + 1, last, is_dry_run=is_dry_run, hold=hold,
            by_id=batch.by_id,
        )  # fmt: skip
        if len(rows) > 1:
            part.refuse_repeated()
        kind.check(part)
        kind.commit(part)
        answers = part.answers()
        _count(batch, answers)
        batch.row_count = last
        settle_rows(batch, part)
        part.run(f"DELETE FROM {stage.TABLE} WHERE batch = {int(batch.pk)}")
        if is_dry_run:
            transaction.set_rollback(True)
    return answers


def _count(batch: Batch, answers: Iterable[Answer]) -> None:
    for answer in answers:
        name = f"{answer.outcome}_count"
        setattr(batch, name, getattr(batch, name) + 1)


def close_batch(batch: Batch, *, now: datetime) -> None:
    """Store that all rows of a batch that came in parts, or at once, are there."""
    batch.state, batch.done_at, batch.moved_at = State.DONE, now, clock.system_now()
    batch.save()


# ---------------------------------------------------------------- files


def upload(
    content: bytes, *, name: str, kind: Kind, source: Source, actor: Actor, now: datetime
) -> tuple[Batch, Batch | None]:
    """Keep a file and queue its reading; return (batch, the former batch of the very same file, if there is one).

    A file that is on its way or waits to be confirmed is not queued twice: its batch is returned. Raises FileTooLarge
    and FileUnreadable.
    """
    if len(content) > MAX_FILE_BYTES:
        raise FileTooLarge()
    name = Path(name).name[-128:]
    if not name.lower().endswith(SUFFIXES):
        raise FileUnreadable(_("请上传 .xlsx 或 .csv 文件"))
    sha = hashlib.sha256(content).hexdigest()
    with _spooled(content, name) as path:
        _open_table(path, kind)  # its titles are right, or the person hears of it now
    with transaction.atomic():
        with connection.cursor() as cursor:  # of two uploads at once of one file one makes the batch
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 7))", [f"{source.pk}/{kind.key}/{sha}"])
        same = Batch.objects.filter(source=source, kind=kind.key, content_sha=sha)
        if waiting := same.filter(state__in=(*Batch.MOVING, State.CHECKED)).first():
            return waiting, None
        former = same.filter(state=State.DONE).order_by("-pk").first()
        batch = Batch.objects.create(
            source=source, kind=kind.key, way=Batch.Way.FILE, state=State.STAGING, day=clock.local_day(now),
            file_name=name, content_sha=sha, by_id=actor.staff_id, created_at=now, moved_at=clock.system_now(),
        )  # fmt: skip
        Upload.objects.create(batch=batch, content=base64.b85encode(zlib.compress(content, 1)).decode())
        audit.record(actor, "intake.uploaded", batch, after={"kind": kind.key, "file": name, "sha": sha[:16]})
    return batch, former


def confirm(batch: Batch, *, actor: Actor) -> None:
    """Let a checked batch be taken over. Raises Conflict."""
    with transaction.atomic():
        batch.move_to(
            State.COMMITTING,
            moved_at=clock.system_now(),
            created_count=0,
            changed_count=0,
            same_count=0,
            refused_count=0,
        )
        audit.record(actor, "intake.confirmed", batch, after={"kind": batch.kind, "rows": batch.row_count})


def cancel(batch: Batch, *, actor: Actor, now: datetime) -> None:
    """Stop a batch; what is taken over already stays. Raises Conflict."""
    facts: dict[str, Any] = {"moved_at": clock.system_now(), "done_at": now, "hand": batch.hand}
    if batch.state != State.COMMITTING:  # the counts say what would have become of it
        facts |= {"hand": 0, "created_count": 0, "changed_count": 0, "same_count": 0, "refused_count": 0}
    with transaction.atomic():
        batch.move_to(State.CANCELLED, **facts)
        Upload.objects.filter(batch=batch).delete()
        stage.drop(batch.pk)
        audit.record(actor, "intake.cancelled", batch, after={"kind": batch.kind, "rows_done": batch.hand})


def go_on(batch_id: int, *, now: datetime, budget: timedelta) -> str:
    """Work on a batch until it waits for somebody, is done, or the time is up; return its state."""
    deadline = clock.monotonic() + budget.total_seconds()
    while True:
        batch = Batch.objects.select_related("source").get(pk=batch_id)
        if batch.state not in Batch.MOVING or clock.monotonic() > deadline:
            return batch.state
        try:
            if batch.state == State.STAGING:
                went_on = _stage(batch, deadline)
            else:
                went_on = twice_if_deadlocked(lambda batch=batch: _next_part(batch, now=now))  # type: ignore[misc]
        except (FileRefused, FileUnreadable) as refusal:
            Batch.objects.filter(pk=batch.pk, state=batch.state).update(
                state=State.FAILED, problem=str(refusal)[:255], done_at=now, moved_at=clock.system_now()
            )
            Upload.objects.filter(batch=batch).delete()
            stage.drop(batch.pk)
            return State.FAILED
        if not went_on:  # somebody else works on it
            return batch.state


def _held(batch: Batch) -> Batch | None:
    """Lock a batch and return it as it stands, or None where somebody else is at it or it went on meanwhile."""
    found = Batch.objects.select_for_update(skip_locked=True, no_key=True).filter(pk=batch.pk).first()
    return found if found and (found.state, found.hand) == (batch.state, batch.hand) else None


def _stage(batch: Batch, deadline: float) -> bool:
    """Read the file into the staging table, from where the hand stands. Raises FileRefused."""
    kind = kinds.get(batch.kind)
    content = zlib.decompress(base64.b85decode(Upload.objects.get(batch=batch).content))
    with _spooled(content, batch.file_name) as path:
        rows = _limited(_rows(_open_table(path, kind), kind))
        for _row in islice(rows, batch.hand):
            pass
        while clock.monotonic() < deadline:
            with transaction.atomic():
                held = _held(batch)
                if held is None:
                    return False
                last = stage.put(held.pk, kind, islice(rows, STAGED_AT_ONCE), after=held.hand, is_text=True)
                facts: dict[str, Any] = {"hand": last, "row_count": last, "moved_at": clock.system_now()}
                if last - held.hand < STAGED_AT_ONCE:
                    if not last:
                        raise FileRefused("文件里只有列名，没有数据")
                    facts |= {"state": State.CHECKING, "hand": 0}
                Batch.objects.filter(pk=held.pk).update(**facts)
            batch.hand = last
            if "state" in facts:
                if last > MANY:
                    _tell_the_planner()
                with transaction.atomic():
                    Stage(batch.pk, kind, batch.source.name, batch.created_at, 1, last).refuse_repeated()
                break
    return True


def _tell_the_planner() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {stage.TABLE}")


def _next_part(batch: Batch, *, now: datetime) -> bool:
    """Check or take over the next range of rows. False where somebody else does."""
    kind = kinds.get(batch.kind)
    with transaction.atomic():
        held = _held(batch)
        if held is None:
            return False
        first, last = held.hand + 1, min(held.hand + kind.step, held.row_count)
        if not _is_there(held, first, last):
            _read_again(held, kind)
        is_check = held.state == State.CHECKING
        part = Stage(held.pk, kind, batch.source.name, now, first, last, is_dry_run=is_check, by_id=held.by_id)
        kind.check(part)
        if not is_check:
            kind.commit(part)
            settle_rows(held, part)
        counts = dict(
            part.run(
                f"SELECT coalesce(outcome, 'refused'), count(*) FROM {stage.TABLE} WHERE batch = {held.pk}"
                f" AND place BETWEEN {first} AND {last} GROUP BY 1"
            )
        )
        facts: dict[str, Any] = {"hand": last, "moved_at": clock.system_now()}
        for word in ("created", "changed", "same", "refused"):
            facts[f"{word}_count"] = getattr(held, f"{word}_count") + counts.get(word, 0)
        if last == held.row_count:
            facts["state"] = State.CHECKED if is_check else State.DONE
            if not is_check:
                facts["done_at"] = now
                Upload.objects.filter(batch=held).delete()
                stage.drop(held.pk)
                forget_superseded(held, now=now)
                log.info("intake done", extra={"facts": {"batch": held.pk, "kind": held.kind, "rows": held.row_count}})
        Batch.objects.filter(pk=held.pk).update(**facts)
    return True


def _is_there(batch: Batch, first: int, last: int) -> bool:
    """Tell whether the staged rows of a range are there; a crash of the database empties the table."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM {stage.TABLE} WHERE batch = %s AND place BETWEEN %s AND %s", [batch.pk, first, last]
        )
        (count,) = cursor.fetchone()
    return bool(count == last - first + 1)


def _read_again(batch: Batch, kind: Kind) -> None:
    log.warning("staged rows are gone, the file is read again", extra={"facts": {"batch": batch.pk}})
    content = zlib.decompress(base64.b85decode(Upload.objects.get(batch=batch).content))
    stage.drop(batch.pk)
    with _spooled(content, batch.file_name) as path:
        rows = _limited(_rows(_open_table(path, kind), kind))
        last = stage.put(batch.pk, kind, rows, after=0, is_text=True)
    Stage(batch.pk, kind, "", batch.created_at, 1, last).refuse_repeated()


# ---------------------------------------------------------------- reading files


class _spooled:
    """A content as a file on disk, for readers that want a path; gone at the end."""

    def __init__(self, content: bytes, name: str) -> None:
        self.content, self.suffix = content, Path(name).suffix[:8]

    def __enter__(self) -> Path:
        self.file = tempfile.NamedTemporaryFile(suffix=self.suffix)
        self.file.write(self.content)
        self.file.flush()
        return Path(self.file.name)

    def __exit__(self, *_: object) -> None:
        self.file.close()


def _open_table(path: Path, kind: Kind) -> Table:
    try:
        table = Table(path)
        if kind.rows_of is None:
            titles_of(table, kind)
        else:
            next(iter(kind.rows_of(table)), None)
            table = Table(path)
    except FileRefused as refusal:
        raise FileUnreadable(str(refusal)) from refusal
    return table


def titles_of(table: Table, kind: Kind) -> dict[str, str]:
    """Return title -> field for a file. Raises FileRefused for missing and for ambiguous columns."""
    found: dict[str, str] = {}
    for one in kind.fields:
        there = [title for title in (one.label, one.name, *one.aliases) if title in table.titles]
        if len(there) > 1:
            raise FileRefused(f"这几列说的是同一件事，请只留一列：{'、'.join(there)}")
        if there:
            found[there[0]] = one.name
    missing = [one.label for one in kind.fields if one.required and one.name not in found.values()]
    if missing:
        raise FileRefused(f"缺少列：{'、'.join(missing)}。文件里有：{'、'.join(filter(None, table.titles))}")
    return found


def _rows(table: Table, kind: Kind) -> Iterator[RawRow]:
    if kind.rows_of is not None:
        yield from kind.rows_of(table)
        return
    titles = titles_of(table, kind)
    for row in table:
        cells = row.cells
        yield RawRow(row.line, {name: cells[title] for title, name in titles.items()}, row.fault)


def _limited(rows: Iterator[RawRow]) -> Iterator[RawRow]:
    for count, row in enumerate(rows, 1):
        if count > MAX_FILE_ROWS:
            raise FileRefused("一个文件最多 200,000 行，请分成几个再传")
        yield row
