"""What a backup must contain, counted in the dump's own snapshot and again after a restore.

register_tally("cards: balance_fen", "SELECT coalesce(sum(balance_fen), 0) FROM …")   # one number, the same on both sides
register_balance("ledger: entries", "SELECT coalesce(sum(side * amount_fen), 0) FROM …")   # one number, and that is 0
"""

from collections.abc import Mapping

import psycopg
from psycopg import sql

_tallies: dict[str, str] = {}
_balances: dict[str, str] = {}
_TABLES = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1
"""


def register_tally(name: str, statement: str) -> None:
    """Add a sum that must be the same after a restore. Its name has a colon, as no table has. Raises ValueError."""
    if ":" not in name:
        raise ValueError(f"{name}: the name of a sum has a colon")
    _tallies[name] = statement


def register_balance(name: str, statement: str) -> None:
    """Add what is 0 wherever the books are whole: a difference, or how many rows are off. Asked of a restored database."""
    _balances[name] = statement


def balances() -> list[str]:
    """Return the names of what must be 0."""
    return sorted(_balances)


def off_balance(connection: psycopg.Connection) -> dict[str, int]:
    """Return what should be 0 and is not."""
    found = {name: _number(connection, sql.SQL(statement)) for name, statement in sorted(_balances.items())}
    return {name: number for name, number in found.items() if number}


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


def rows_in(counted: Mapping[str, int]) -> int:
    """Return how many rows were counted: those of the tables, without the sums."""
    return sum(number for name, number in counted.items() if ":" not in name)


def _number(connection: psycopg.Connection, statement: sql.SQL | sql.Composed) -> int:
    row = connection.execute(statement).fetchone()
    assert row is not None
    return int(row[0])
