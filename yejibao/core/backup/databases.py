"""How the tools of PostgreSQL and plain connections reach a database: as Django does, the password never on a command line."""

import os
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection

from yejibao import devserv


def name() -> str:
    """Return the database Django uses."""
    return str(connection.settings_dict["NAME"])


def environment(database: str) -> dict[str, str]:
    """Return the environment in which pg_dump and its kin find a database of our server."""
    facts = connection.settings_dict
    named = {"PGHOST": facts["HOST"], "PGPORT": facts["PORT"], "PGUSER": facts["USER"], "PGPASSWORD": facts["PASSWORD"]}
    given = {key: str(value) for key, value in named.items() if value}
    return os.environ | given | {"PGDATABASE": database}


def connect(database: str, **options: Any) -> psycopg.Connection:
    """Return a connection of its own: not of the pool, without its time limits."""
    facts = connection.settings_dict
    return psycopg.connect(
        dbname=database, host=facts["HOST"] or None, port=facts["PORT"] or None, user=facts["USER"] or None,
        password=facts["PASSWORD"] or None, **options,
    )  # fmt: skip


def tool(command: str) -> Path:
    """Return pg_dump, pg_restore or another: of YEJIBAO_PG_BIN, else of the pinned package, whose version is the newest."""
    return devserv.pg_tools() / command
