"""Statements of hot pages, planned once a connection: for a page, planning a dozen joins costs more than running them.

    with reading.cursor() as cursor:
        cursor.execute(SQL, {...})      # a cast where PostgreSQL could not tell the type of a parameter

What the engine does in its own transactions is `core.sql`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, time
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from django.db import connection, models
from django.db.models.base import ModelState
from psycopg.types.datetime import TimestamptzLoader

M = TypeVar("M", bound=models.Model)


@contextmanager
def cursor() -> Iterator[Any]:
    """Yield a cursor whose statements are prepared when a connection meets them the second time.

    It is Django's cursor in all else. PostgreSQL itself decides when one plan fits all parameters.
    """
    if connection.queries_logged:  # the log of a test or of DEBUG shows statements with their parameters in them
        with connection.cursor() as logged:
            yield logged
        return
    connection.ensure_connection()
    with connection.wrap_database_errors:
        raw = psycopg.Cursor(connection.connection)
        # Django's loader puts another UTC on each moment, in Python; what C reads is the same moment.
        raw.adapters.register_loader("timestamptz", TimestamptzLoader)
    with connection.make_cursor(raw) as planned:  # type: ignore[arg-type]
        yield planned


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
