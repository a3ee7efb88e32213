"""A range of staged rows, and what is done to it with a few statements: refuse, compare with a table, write into it.

In every piece of SQL `s` is the staged row; a cell is `s.cells->>'name'`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg
from django.db import connection
from psycopg import sql

from yejibao.core import clock

from .kinds import Kind, RawRow, ReadRow
from .reading import complaint, read_row

TABLE = "intake_stagedrow"


def quote(value: Any) -> str:
    """Return a value as an SQL literal, for pieces that are put together from parts."""
    return sql.quote(value)


@dataclass(frozen=True)
class Answer:
    """What became of one row."""

    place: int
    line: int
    key: str
    outcome: str
    errors: list[dict[str, str]]


@dataclass(frozen=True)
class Column:
    """A column of a table that rows go to. `value` is its SQL, NULL for nothing: then an existing row keeps what it has, and
    a new one gets `blank`. `new_only`: an existing row keeps its own in any case."""

    name: str
    value: str
    new_only: bool = False
    blank: str = ""
    compared: bool = True  # False: what is encrypted differs each time, another column tells whether it changed
    differs: str = ""  # the condition, where it is not simply another value


@dataclass
class Stage:
    """Rows `first` to `last` (places) of one batch, on their way through one transaction."""

    batch_id: int
    kind: Kind
    source: str
    now: datetime
    first: int
    last: int
    is_dry_run: bool = False
    hold: bool = False
    by_id: int | None = None  # whose file it is, or who tries a row again; nobody where a source sends by itself

    @property
    def today(self) -> date:
        return clock.local_day(self.now)

    @staticmethod
    def literal(value: Any) -> str:
        """Return a value as an SQL literal, for pieces that are put together."""
        return quote(value)

    @property
    def where(self) -> str:
        """Return the condition for the rows that are still in order."""
        return (
            f"s.batch = {int(self.batch_id)} AND s.place BETWEEN {int(self.first)} AND {int(self.last)}"
            " AND s.errors IS NULL"
        )

    def run(self, statement: str, params: Any = None) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        with connection.cursor() as cursor:
            cursor.execute(statement, params)
            return list(cursor.fetchall()) if cursor.description else []

    def refuse(self, condition: str, field: str, code: str, message: str, *, joins: str = "") -> None:
        """Refuse the rows of a condition. `joins` is `LEFT JOIN … ON …`; what is missing there is `x.id IS NULL`."""
        errors = quote(json.dumps([{"field": field, "code": code, "message": message}], ensure_ascii=False))
        self.run(
            f"""
            UPDATE {TABLE} t SET outcome = 'refused', errors = {errors}::jsonb
            FROM {TABLE} s {joins} WHERE {self.where} AND ({condition}) AND t.batch = s.batch AND t.place = s.place
            """
        )

    def unknown(self, field: str, table: str, column: str, message: str, *, code: str = "") -> None:
        """Refuse rows that name something by a key no row of a table has."""
        self.refuse(
            f"s.cells->>'{field}' <> '' AND NOT EXISTS (SELECT 1 FROM {table} x WHERE x.{column} = s.cells->>'{field}')",
            field,
            code or f"{field}.unknown",
            message,
        )

    def compare(self, table: str, on: str, columns: Sequence[Column], *, joins: str = "") -> None:
        """Note for each row whether it is new, changes something, or says what is known. `on` joins table `t` to `s`."""
        differs = " OR ".join(
            f"({one.differs})" if one.differs else f"t.{one.name} IS DISTINCT FROM coalesce({one.value}, t.{one.name})"
            for one in columns
            if one.compared and not one.new_only
        )
        self.run(
            f"""
            UPDATE {TABLE} u SET outcome = found.outcome FROM (
                SELECT s.place, CASE WHEN t.id IS NULL THEN 'created' WHEN {differs or "false"} THEN 'changed' ELSE 'same' END
                    AS outcome
                FROM {TABLE} s {joins} LEFT JOIN {table} t ON {on} WHERE {self.where}
            ) found WHERE u.batch = {int(self.batch_id)} AND u.place = found.place
            """
        )

    def write(
        self, table: str, on: str, columns: Sequence[Column], *, unique: str, joins: str = "", returning: str = "id"
    ) -> list[Any]:
        """Insert what is new and change what changed, as `compare` found it. Returns `returning` of new rows.

        A row that somebody else stored at this very moment is not stored twice: it counts as new here and stays as it is.
        """
        names = ", ".join(one.name for one in columns)
        values = ", ".join(f"coalesce({one.value}, {one.blank})" if one.blank else one.value for one in columns)
        made = self.run(
            f"""
            INSERT INTO {table} ({names}) SELECT {values} FROM {TABLE} s {joins}
            WHERE {self.where} AND s.outcome = 'created' ORDER BY s.key ON CONFLICT ({unique}) DO NOTHING RETURNING {returning}
            """
        )
        kept = [one for one in columns if not one.new_only]
        if kept:
            sets = ", ".join(f"{one.name} = coalesce(n.v{place}, t.{one.name})" for place, one in enumerate(kept))
            given = ", ".join(f"{one.value} AS v{place}" for place, one in enumerate(kept))
            # Each set is read once, whatever the planner knows of tables that this very transaction filled.
            self.run(
                f"""
                WITH s AS MATERIALIZED (SELECT * FROM {TABLE} s WHERE {self.where} AND s.outcome = 'changed'),
                n AS MATERIALIZED (
                    SELECT t.id, {given} FROM s {joins} JOIN {table} t ON {on} ORDER BY s.key FOR NO KEY UPDATE OF t
                )
                UPDATE {table} t SET {sets} FROM n WHERE t.id = n.id
                """
            )
        return [row[0] for row in made]

    def payloads(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Yield (place, cells) of the rows in order."""
        for place, cells in self.run(f"SELECT s.place, s.cells FROM {TABLE} s WHERE {self.where} ORDER BY s.place"):
            yield place, cells if isinstance(cells, dict) else json.loads(cells)

    def note(self, answers: Iterable[tuple[int, str, list[dict[str, str]] | None]]) -> None:
        """Note (place, outcome, errors) for rows that Python judged."""
        rows = [{"place": place, "outcome": outcome, "errors": errors or None} for place, outcome, errors in answers]
        if rows:
            self.run(
                f"""
                UPDATE {TABLE} s SET outcome = n.outcome, errors = n.errors
                FROM jsonb_to_recordset(%(rows)s::jsonb) AS n(place int, outcome text, errors jsonb)
                WHERE s.batch = {int(self.batch_id)} AND s.place = n.place
                """,
                {"rows": json.dumps(rows)},
            )

    def refuse_repeated(self) -> None:
        """Refuse rows whose key an earlier row of the batch has with other contents; of equal ones the first counts.

        Where the newest wins (stock), what an earlier row of the same key says is passed over instead.
        """
        direction = "DESC" if self.kind.newest_wins else "ASC"
        self.run(
            f"""
            UPDATE {TABLE} t SET
                outcome = CASE WHEN twice.passed THEN 'same' ELSE 'refused' END,
                errors = CASE WHEN twice.passed THEN '[]'::jsonb ELSE jsonb_build_array(jsonb_build_object(
                    'field', %(field)s::text, 'code', 'intake.repeated',
                    'message', '和第 ' || twice.first_line || ' 行重复，内容又不一样；以先出现的为准')) END
            FROM (
                SELECT place, first_line, %(newest)s OR digest = first_digest AS passed FROM (
                    SELECT s.place, row_number() OVER keys AS nth, first_value(s.line) OVER keys AS first_line,
                        md5(s.plain::text) AS digest, first_value(md5(s.plain::text)) OVER keys AS first_digest
                    FROM (   -- one pass: a batch is newer than the table's statistics, and a join of it with itself may never end
                        SELECT s.*, s.cells - %(sealed)s::text[] AS plain, count(*) OVER (PARTITION BY s.key) AS times
                        FROM {TABLE} s WHERE s.batch = {int(self.batch_id)} AND s.key <> '' AND s.errors IS NULL
                    ) s WHERE s.times > 1 WINDOW keys AS (PARTITION BY s.key ORDER BY s.place {direction})
                ) ranked WHERE nth > 1
            ) twice WHERE t.batch = {int(self.batch_id)} AND t.place = twice.place
            """,
            {
                "newest": self.kind.newest_wins,
                "field": self.kind.natural_key[0],
                # Encrypted values differ each time; the index of a phone is among the others.
                "sealed": [
                    "sealed",
                    "#lines",
                    *(name for one in self.kind.fields if one.seal for name in (one.name, f"{one.name}_year")),
                ],
            },
        )

    def answers(self) -> list[Answer]:
        """Return what became of each row, in order."""
        rows = self.run(
            f"""
            SELECT place, line, key, coalesce(outcome, 'refused'), errors FROM {TABLE}
            WHERE batch = {int(self.batch_id)} AND place BETWEEN {int(self.first)} AND {int(self.last)} ORDER BY place
            """
        )
        return [Answer(*row[:4], errors_of(row[4])) for row in rows]


def errors_of(value: Any) -> list[dict[str, str]]:
    found: list[dict[str, str]] = (json.loads(value) if isinstance(value, str) else value) or []
    return found


def put(batch_id: int, kind: Kind, rows: Iterable[RawRow], *, after: int, is_text: bool) -> int:
    """Copy rows into the staging table behind place `after`; return the last place. Needs an open transaction."""
    place = after
    into = f"COPY {TABLE} (batch, place, line, key, cells, errors, outcome) FROM STDIN"
    with (
        connection.wrap_database_errors,
        psycopg.Cursor(connection.connection) as cursor,
        cursor.copy(into) as copy,  # type: ignore[arg-type]
    ):
        for place, row in enumerate(rows, after + 1):
            read = read_row(kind, row.values, is_text=is_text)
            if row.fault:
                read = ReadRow(read.key, read.cells, [complaint(row.fault_field, row.fault_code, row.fault)])
            cells = dict(read.cells) | ({"#lines": row.lines} if row.lines else {})
            bad = bool(read.errors)
            copy.write_row(
                (batch_id, place, row.line, read.key, json.dumps(cells), json.dumps(read.errors) if bad else None,
                 "refused" if bad else None)
            )  # fmt: skip
    return place


def drop(batch_id: int) -> None:
    """Forget the staged rows of a batch."""
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {TABLE} WHERE batch = %s", [batch_id])
