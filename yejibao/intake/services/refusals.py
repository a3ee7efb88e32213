"""Rows that were refused: kept with their cause until they come again in order, are corrected here, or somebody closes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from yejibao.core import audit
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.scope import Actor
from yejibao.intake import kinds
from yejibao.intake.editing import changed, typed
from yejibao.intake.kinds import RawRow
from yejibao.intake.models import Batch, RefusedRow
from yejibao.intake.reading import open_cells
from yejibao.intake.stage import TABLE, Answer, Stage

State = RefusedRow.State
# Refused beside another row of the same key that was taken over.
REPEATED = ("intake.repeated", "order.duplicate_in_file", "order.duplicate_in_batch")


class NotOpen(Conflict):
    code, title = "intake.row_settled", _("这一行已经处理过了")


def settle_rows(batch: Batch, part: Stage) -> None:
    """Put refused rows of a range into the queue, and settle those of the queue that came now in order."""
    facts = {
        "batch": batch.pk, "source": batch.source_id, "kind": batch.kind, "first": part.first, "last": part.last,
        "owner": batch.by_id or batch.source.owner_id, "now": part.now, "again": list(REPEATED),
    }  # fmt: skip
    # Further rows of one key get the line behind it: each is named, and the same file again is the same matter.
    part.run(
        f"""
        INSERT INTO intake_refusedrow (source_id, batch_id, kind, place, line, key, cells, errors, code, state, owner_id, tries,
            refused_at, reason)
        SELECT %(source)s, batch, %(kind)s, place, line,
            CASE WHEN key <> '' AND (nth > 1 OR errors->0->>'code' = ANY(%(again)s)) THEN left(key, 110) || '#' || line
                ELSE key END,
            cells, errors, left(coalesce(errors->0->>'code', ''), 64), 'open', %(owner)s, 1, %(now)s, ''
        FROM (
            SELECT s.*, row_number() OVER (PARTITION BY key ORDER BY place) AS nth FROM {TABLE} s
            WHERE batch = %(batch)s AND place BETWEEN %(first)s AND %(last)s AND outcome = 'refused' AND errors IS NOT NULL
        ) s ORDER BY key, place
        ON CONFLICT (source_id, kind, key) WHERE state = 'open' AND key <> '' DO UPDATE SET
            batch_id = excluded.batch_id, place = excluded.place, line = excluded.line, cells = excluded.cells,
            errors = excluded.errors, code = excluded.code, refused_at = excluded.refused_at,
            tries = intake_refusedrow.tries + 1
        """,
        facts,
    )
    part.run(
        f"""
        UPDATE intake_refusedrow r SET state = 'fixed', settled_at = %(now)s, reason = '后来送来的是对的'
        FROM {TABLE} s WHERE s.batch = %(batch)s AND s.place BETWEEN %(first)s AND %(last)s AND s.key <> ''
            AND s.outcome IN ('created', 'changed', 'same') AND r.state = 'open' AND r.source_id = %(source)s
            AND r.kind = %(kind)s AND r.key = s.key
        """,
        facts,
    )


def forget_superseded(batch: Batch, *, now: datetime) -> None:
    """Close rows without a key of earlier runs of the very same file: this run named them again."""
    if batch.content_sha:
        earlier = Batch.objects.filter(
            source=batch.source_id, kind=batch.kind, content_sha=batch.content_sha, pk__lt=batch.pk
        )
        RefusedRow.objects.filter(batch__in=earlier, state=State.OPEN, key="").update(
            state=State.CLOSED, settled_at=now, reason="同一个文件又导入了一次"
        )


def retry_refused(
    row: RefusedRow, *, values: Mapping[str, str], actor: Actor, now: datetime, parts: Mapping[str, str] | None = None
) -> Answer:
    """Try a row again with corrected values (by field, as typed); return what became of it. Raises NotOpen.

    `parts` are values of its lists, by path (intake/editing.py).

    Refused again it stays in the queue with its new cause; in order it is settled.
    """
    from .batches import close_batch, new_batch, take

    kind = kinds.get(row.kind)
    with transaction.atomic():
        held = RefusedRow.objects.select_for_update(of=("self",)).select_related("source").get(pk=row.pk)
        if held.state != State.OPEN:
            raise NotOpen()
        given = kind.reopen(held.cells) if kind.reopen else open_cells(kind, held.cells)
        given = given if isinstance(given, dict) else {}
        told: dict[str, Any] = {name: text for name, text in values.items() if name in kind.by_name}
        if kind.read:  # such a row comes as a feed sends it: typed, and without what is empty
            told = {name: typed(kind.by_name[name], text) for name, text in told.items()}
            given = {name: value for name, value in given.items() if told.get(name) != ""}
            told = {name: value for name, value in told.items() if value != ""}
        given |= told
        given, paths = changed(kind, given, parts or {})
        batch = new_batch(kind, held.source, way=Batch.Way.RETRY, now=now, by_id=actor.staff_id)
        (answer,) = take(batch, [RawRow(held.line, given)], now=now, is_text=kind.read is None)
        # The corrected row may have another key than the wrong one had: then the old one is settled by hand.
        if answer.outcome != "refused":
            RefusedRow.objects.filter(pk=held.pk).update(
                state=State.FIXED, settled_at=now, settled_by=actor.staff_id, reason="改好后重新提交"
            )
        elif not RefusedRow.objects.filter(pk=held.pk, batch=batch.pk).exists():
            RefusedRow.objects.filter(pk=held.pk).update(
                state=State.CLOSED, settled_at=now, settled_by=actor.staff_id, reason="改过后另记一条"
            )
        close_batch(batch, now=now)
        audit.record(
            actor, "intake.row_retried", held, after={"fields": [*sorted(values), *paths], "outcome": answer.outcome}
        )
    return answer


def close_refused(rows: Sequence[int], *, reason: str, actor: Actor, now: datetime) -> int:
    """Close rows of the queue that will not be taken over, and say why; returns how many were open. Raises Invalid."""
    reason = " ".join(reason.split())[:255]
    if not reason:
        raise Invalid(
            _("写一下为什么不用处理"), errors=[{"field": "reason", "code": "input.required", "message": "必填"}]
        )
    with transaction.atomic():
        found = RefusedRow.objects.filter(pk__in=list(rows), state=State.OPEN)
        ids = list(found.order_by("pk").select_for_update().values_list("pk", flat=True))
        RefusedRow.objects.filter(pk__in=ids).update(
            state=State.CLOSED, settled_at=now, settled_by=actor.staff_id, reason=reason
        )
        if len(ids) == 1:
            audit.record(actor, "intake.row_closed", "intake.RefusedRow", resource_id=str(ids[0]), reason=reason)
        elif ids:
            facts = {"count": len(ids), "ids": ids}
            audit.record(actor, "intake.row_closed", "intake.RefusedRow", after=facts, reason=reason)
    return len(ids)


def claim_refused(rows: Sequence[int], *, actor: Actor) -> int:
    """Make the actor the one who looks after open rows; returns how many changed hands."""
    with transaction.atomic():
        others = RefusedRow.objects.filter(pk__in=list(rows), state=State.OPEN).exclude(owner_id=actor.staff_id)
        ids = list(others.order_by("pk").select_for_update(of=("self",)).values_list("pk", flat=True))
        RefusedRow.objects.filter(pk__in=ids).update(owner_id=actor.staff_id)
        if ids:
            only = str(ids[0]) if len(ids) == 1 else ""
            audit.record(
                actor,
                "intake.row_claimed",
                "intake.RefusedRow",
                resource_id=only,
                after={"count": len(ids), "ids": ids},
            )
    return len(ids)
