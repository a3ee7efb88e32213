"""Large set-based statements, planned once a connection; and the second try of a transaction that lost a deadlock.

Planning a statement of a dozen joins costs more than running it on a small batch, so the hot ones are prepared on the
server with a generic plan. Parameters are bound by the server; `%(name)s` as everywhere.
"""

import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar, cast

import psycopg
from django.db import DEFAULT_DB_ALIAS, OperationalError, connection, connections
from django.db.backends.postgresql.base import ServerBindingCursor

log = logging.getLogger("yejibao.sql")
T = TypeVar("T")
PAUSE_SECONDS = (0.05, 0.15)


def prepared(sql: str, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Run a statement under a plan kept for this connection and return its rows. Needs an open transaction."""
    if not connection.in_atomic_block:
        raise RuntimeError("a prepared statement of the engine runs inside its transaction")
    # Django's own cursors bind on the client, where nothing can be prepared.
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        # The plan may be made while a table is nearly empty and used when it is not: never one that reads it whole.
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off")
        cursor.execute(sql, params, prepare=True)
        rows = list(cursor.fetchall()) if cursor.description else []
        cursor.execute("SET LOCAL enable_seqscan = on")
        return rows


def first_row(statement: str, params: dict[str, Any]) -> tuple[Any, ...] | None:
    """Return the first row of a statement that the server plans once a connection and keeps; None where there is none.

    For one short statement that is run all day, by its key: give whole numbers as psycopg's Int8, or each size of a number is
    a plan of its own. Inside a transaction or not. Raises Django's database errors, as `connection.cursor()` does.
    """
    here = connections[DEFAULT_DB_ALIAS]  # once: each look through `connection` asks for the thread's own again
    here.ensure_connection()
    if here.queries_logged or here.execute_wrappers:
        wrap = here.make_debug_cursor if here.queries_logged else here.make_cursor
        with wrap(ServerBindingCursor(here.connection)) as watched:  # type: ignore[call-arg, arg-type]
            watched.execute(statement, params)
            return cast("tuple[Any, ...] | None", watched.fetchone())
    here.validate_no_broken_transaction()
    link: Any = here.connection
    try:
        cursor = link.kept_cursor  # a cursor a call would cost a tenth of the client's part of it
    except AttributeError:
        cursor = link.kept_cursor = ServerBindingCursor(link)  # type: ignore[call-arg]
    with here.wrap_database_errors:
        return cast("tuple[Any, ...] | None", cursor.execute(statement, params).fetchone())


def is_deadlock(error: BaseException) -> bool:
    """Tell whether the database ended this transaction because two waited for each other."""
    return isinstance(error.__cause__, psycopg.errors.DeadlockDetected)


def twice_if_deadlocked(work: Callable[[], T]) -> T:
    """Run a whole transaction, and once more where it was the one the database ended to let another go on.

    Locks are taken in one order (tasks/cadences/changes.py), but not by every statement over many rows, and the drain of
    the events holds what all its handlers took. Inside somebody's transaction there is no second try: it is his that ended.
    """
    if connection.in_atomic_block:
        return work()
    try:
        return work()
    except OperationalError as error:
        if not is_deadlock(error):
            raise
        log.warning("a deadlock was lost; once more")
        time.sleep(random.uniform(*PAUSE_SECONDS))  # the other one gets through first
        return work()


def id_ranges(
    table: str, column: str, *, since: datetime | None, until: datetime, step: int = 20_000
) -> Iterator[tuple[int, int]]:
    """Yield (first, last) ids, both included, that hold the rows of a time: for work on old rows, a range a statement.

    The table has a summary of blocks (BRIN) over the column, and its ids grow with it, more or less: the statement names
    the time again. Nothing is read twice, so it costs the same whether much is left to do or nothing.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT min(id), max(id) FROM {table} WHERE {column} < %s" + (f" AND {column} >= %s" if since else ""),
            [until, since] if since else [until],
        )
        first, last = cursor.fetchone()
    while first is not None and first <= last:
        yield first, min(last, first + step - 1)
        first += step
