"""Reads of the intake for its pages."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection

from yejibao.core.personal import mask_mobiles
from yejibao.core.sheets import defused

from . import kinds
from .health import BREAK, told_until
from .kinds import Kind
from .models import Batch, RefusedRow
from .reading import shown_value
from .stage import TABLE, errors_of


@dataclass(frozen=True)
class RowError:
    """One thing that is wrong with a row; the value is masked where it is personal, the key where it holds a phone."""

    line: int
    key: str
    field: str
    value: str
    message: str


def row_errors(batch: Batch, *, limit: int) -> list[RowError]:
    """Return what is wrong with the rows of a batch, in order of the file: staged ones, or those in the error queue."""
    kind = kinds.get(batch.kind)
    found: list[tuple[int, str, Any, Any]] = []
    if batch.state in (Batch.State.CHECKED, Batch.State.CHECKING, Batch.State.COMMITTING):
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT line, key, cells, errors FROM {TABLE} WHERE batch = %s AND outcome = 'refused' ORDER BY place LIMIT %s",
                [batch.pk, limit],
            )
            found = list(cursor.fetchall())
    else:
        rows = RefusedRow.objects.filter(batch=batch).order_by("place")
        found = list(rows.values_list("line", "key", "cells", "errors")[:limit])
    return [error for line, key, cells, errors in found for error in _read(kind, line, key, cells, errors)]


def _read(kind: Kind, line: int, key: str, cells: Any, errors: Any) -> Iterator[RowError]:
    held = errors_of(cells) if isinstance(cells, str) else cells
    for error in errors_of(errors):
        name = error["field"]
        own = kind.by_name.get(name)
        value = shown_value(own, held.get(name)) if own and isinstance(held, dict) else ""
        yield RowError(
            _line(held, name, line), mask_mobiles(key), kind.title(name), mask_mobiles(value), error["message"]
        )


def _line(cells: Any, name: str, line: int) -> int:
    """Return the line of the file an error means: an item of an order stands on a line of its own."""
    parts = name.split(".")
    lines = cells.get("#lines") if isinstance(cells, dict) else None
    if lines and len(parts) > 1 and parts[0] == "lines" and parts[1].isdigit() and int(parts[1]) < len(lines):
        return int(lines[int(parts[1])])
    return line


def errors_file(errors: Sequence[RowError]) -> bytes:
    """Return a CSV for Excel; cells that Excel would take for a formula are made text."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["行号", "编号", "列", "填的是", "哪里不对"])
    for one in errors:
        cells = [str(one.line), one.key, one.field, one.value, one.message]
        writer.writerow([defused(cell) for cell in cells])
    return text.getvalue().encode("utf-8-sig")


@dataclass(frozen=True)
class Day:
    """A line of the reconciliation."""

    source: str
    label: str
    kind: str
    day: date
    told: int | None
    received: int
    committed: int
    refused: int
    is_break: bool

    @property
    def why(self) -> str:
        if self.told is None and self.is_break and self.received == self.committed + self.refused:
            return "来源还没报数"
        if self.told is not None and self.told > self.received:
            return f"少收 {self.told - self.received:,} 行"
        if self.told is not None and self.told < self.received:
            return f"多收 {self.received - self.told:,} 行"
        return "收到的没有全部处理" if self.is_break else ""


def days(keys: Sequence[str], *, now: datetime, since: date, only_breaks: bool, limit: int = 200) -> list[Day]:
    """Return the sums of sources by day, the newest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT * FROM (
                SELECT s.name, s.label, d.kind, d.day, d.told, d.received, d.committed, d.refused, ({BREAK}) AS is_break
                FROM intake_sourceday d JOIN intake_source s ON s.id = d.source_id
                WHERE d.kind = ANY(%(kinds)s) AND d.day >= %(since)s
            ) days WHERE is_break OR NOT %(only)s ORDER BY day DESC, name, kind LIMIT %(limit)s
            """,
            {"kinds": list(keys), "since": since, "only": only_breaks, "limit": limit, "told_until": told_until(now)},
        )
        return [Day(*row) for row in cursor.fetchall()]


def sums_of_open(kind_keys: Sequence[str]) -> list[dict[str, Any]]:
    """Return how many open rows there are by kind, source and cause, the most first."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT r.kind, r.source_id, s.name, s.label, r.code, count(*), min(r.refused_at)
            FROM intake_refusedrow r JOIN intake_source s ON s.id = r.source_id
            WHERE r.state = 'open' AND r.kind = ANY(%s) GROUP BY 1, 2, 3, 4, 5 ORDER BY 6 DESC LIMIT 100
            """,
            [list(kind_keys)],
        )
        names = ("kind", "source_id", "source", "label", "code", "count", "since")
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
