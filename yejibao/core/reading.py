"""Statements of hot pages, planned once a connection: for a page, planning a dozen joins costs more than running them.

    with reading.cursor() as cursor:
        cursor.execute(SQL, {...})      # a cast where PostgreSQL could not tell the type of a parameter

What the engine does in its own transactions is `core.sql`.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, time
from functools import cache, lru_cache
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from django.db import connection, models
from django.db.models.base import ModelState
from psycopg.types.datetime import TimestamptzLoader

M = TypeVar("M", bound=models.Model)


@contextmanager
def cursor(kind: type[psycopg.Cursor[Any]] = psycopg.Cursor) -> Iterator[Any]:
    """Yield a cursor whose statements are prepared when a connection meets them the second time.

    It is Django's cursor in all else. Such a statement asks for the rows of one person by index: one plan fits all of them,
    and to try five others first would cost a connection half a second with the longest.
    """
    if connection.queries_logged:  # the log of a test or of DEBUG shows statements with their parameters in them
        with connection.cursor() as logged:
            yield logged
        return
    connection.ensure_connection()
    with connection.wrap_database_errors:
        if not connection.in_atomic_block and not getattr(connection.connection, "keeps_plans", False):
            connection.connection.execute("SET plan_cache_mode = force_generic_plan")
            connection.connection.keeps_plans = True  # the pool hands the same one out again
        raw = kind(connection.connection)
        # Django's loader puts another UTC on each moment, in Python; what C reads is the same moment.
        raw.adapters.register_loader("timestamptz", TimestamptzLoader)
    with connection.make_cursor(raw) as planned:  # type: ignore[arg-type]
        yield planned


def one_row(sql: str, params: Mapping[str, Any]) -> Any:
    """Run a statement of many thousand characters, and return its one row. psycopg looks for the parameters of such a one
    each time, which takes longer than running it; here they are found once."""
    if connection.queries_logged:
        with cursor() as logged:
            logged.execute(sql, params)
            return logged.fetchone()
    text, names = _numbered(sql)
    with cursor(psycopg.RawCursor) as plain:
        plain.execute(text, [params[name] for name in names])
        return plain.fetchone()


_NAMED = re.compile(r"%\((\w+)\)s|%%")


@lru_cache(maxsize=256)
def _numbered(sql: str) -> tuple[str, list[str]]:
    """Return a statement with $1, $2 … for its names, and the names in this order."""
    places: dict[str, int] = {}

    def place(found: re.Match[str]) -> str:
        return f"${places.setdefault(found[1], len(places) + 1)}" if found[1] else "%"

    return _NAMED.sub(place, sql), list(places)


_READ: dict[str, Any] = {
    "DateTimeField": datetime.fromisoformat, "DateField": date.fromisoformat, "TimeField": time.fromisoformat, "UUIDField": UUID,
}  # fmt: skip


@cache
def _fields(model: type[models.Model]) -> list[tuple[str, str, Any]]:
    """Return (attribute, column, how to read it from JSON); what is encrypted is left out."""
    return [
        (field.attname, str(field.column), _READ.get(field.get_internal_type()))
        for field in model._meta.concrete_fields
        if not hasattr(field, "from_db_value") or field.get_internal_type() == "JSONField"
    ]


def row_of(model: type[M], row: Mapping[str, Any]) -> M:
    """Return the instance of a row that PostgreSQL rendered with to_json; what was left out is fetched when asked for."""
    # What Model.from_db() does, less its signals (nothing here listens) and its look at each field: a page has two dozen.
    instance = model.__new__(model)
    instance._state = state = ModelState()
    state.adding, state.db = False, "default"
    kept = instance.__dict__
    for name, column, read in _fields(model):
        if column in row:
            value = row[column]
            kept[name] = read(value) if read and value is not None else value
    return instance


def named(sql: str, params: tuple[Any, ...], prefix: str) -> tuple[str, dict[str, Any]]:
    """Return a piece of SQL the ORM made with its parameters under names, to stand in a larger statement."""
    names = [f"{prefix}{place}" for place in range(len(params))]
    return sql % tuple(f"%({name})s" for name in names), dict(zip(names, params, strict=True))
