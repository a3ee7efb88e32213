"""Statements of hot pages, planned once a connection: for a page, planning a dozen joins costs more than running them.

    with reading.cursor() as cursor:
        cursor.execute(SQL, {...})      # a cast where PostgreSQL could not tell the type of a parameter

What the engine does in its own transactions is `core.sql`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection


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
    with connection.make_cursor(raw) as planned:  # type: ignore[arg-type]
        yield planned
