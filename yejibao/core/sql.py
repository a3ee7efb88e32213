"""Large set-based statements, planned once a connection.

Planning a statement of a dozen joins costs more than running it on a small batch, so the hot ones are prepared on the
server with a generic plan. Parameters are bound by the server; `%(name)s` as everywhere.
"""

from collections.abc import Mapping
from typing import Any

import psycopg
from django.db import connection


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
