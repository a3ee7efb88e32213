"""What a backup must contain, counted in the dump's own snapshot and again after a restore.

register_tally("member.fen", "SELECT coalesce(sum(balance_fen), 0) FROM …")   # one number; a ledger adds its sum and its zero
"""

import psycopg
from psycopg import sql

_tallies: dict[str, str] = {}
_TABLES = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1
"""


def register_tally(name: str, statement: str) -> None:
    """Add a sum that must be the same after a restore."""
    _tallies[name] = statement


def registered() -> list[str]:
    """Return the names of the sums."""
    return sorted(_tallies)


def count(connection: psycopg.Connection) -> dict[str, int]:
    """Return rows by table and the registered sums, as of the connection's snapshot."""
    found: dict[str, int] = {}
    tables = [name for (name,) in connection.execute(_TABLES).fetchall()]
    for name in tables:
        found[name] = _number(connection, sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name)))
    for name, statement in _tallies.items():
        found[name] = _number(connection, sql.SQL(statement))
    return found


def _number(connection: psycopg.Connection, statement: sql.SQL | sql.Composed) -> int:
    row = connection.execute(statement).fetchone()
    assert row is not None
    return int(row[0])
