"""Ways to take a guard out of the product for a moment, and to see that it would have been met.

A guard is mostly a few words of SQL. They are cut where the statement goes out to the database, whether it was written by
hand or by the ORM, so the product need not be shaped for it.
"""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import psycopg
from django.db import connection

ROOT = Path(__file__).parents[2]


class Out(Protocol):
    """One way to take a guard out; `met` tells afterwards whether the race came by where it stood."""

    met: int

    def taken(self, place: str) -> Any: ...


@dataclass
class sql:
    """Replace what a pattern finds in the guard's statement: `path:CONSTANT`, or what `path:function` sends."""

    pattern: str
    by: str | Callable[[re.Match[str]], str] = ""
    met: int = 0

    @contextmanager
    def taken(self, place: str) -> Iterator[None]:
        path, name = place.split(":")
        file, function, text = str(ROOT / path), name.split(".")[-1], ""
        if name.strip("_").isupper():
            text = getattr(import_module(path.removesuffix(".py").replace("/", ".")), name)[
                :80
            ]  # another may be cut too
        real = psycopg.Cursor.execute

        def execute(cursor: Any, query: Any, *args: Any, **options: Any) -> Any:
            stands = isinstance(query, str) and re.search(self.pattern, query)
            if stands and (text in query if text else _sent_from(file, function)):
                query = re.sub(self.pattern, self.by, query)
                self.met += 1
            return real(cursor, query, *args, **options)

        psycopg.Cursor.execute = execute  # type: ignore[method-assign]
        try:
            yield
        finally:
            psycopg.Cursor.execute = real  # type: ignore[method-assign]


def _sent_from(file: str, function: str) -> bool:
    frame: Any = sys._getframe(2)
    while frame:
        if frame.f_code.co_filename == file and frame.f_code.co_name == function:
            return True
        frame = frame.f_back
    return False


_UNIQUE = """
SELECT c.relname, pg_get_indexdef(i.indexrelid), con.conname, pg_get_constraintdef(con.oid)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid LEFT JOIN pg_constraint con ON con.conindid = c.oid AND con.contype = 'u'
WHERE i.indrelid = %s::regclass AND i.indisunique AND NOT i.indisprimary
  AND (c.relname = %s OR i.indnatts = 1 AND pg_get_indexdef(c.oid, 1, true) = %s)
"""


@dataclass
class unique:
    """Drop a unique constraint or index, by its name or the one column it is on."""

    table: str
    name: str
    met: int = 1

    @contextmanager
    def taken(self, place: str) -> Iterator[None]:
        with connection.cursor() as cursor:
            cursor.execute(_UNIQUE, [self.table, self.name, self.name])
            index, made, constraint, rule = cursor.fetchone()
            if constraint:
                cursor.execute(f"ALTER TABLE {self.table} DROP CONSTRAINT {constraint}")
                made = f"ALTER TABLE {self.table} ADD CONSTRAINT {constraint} {rule}"
            else:
                cursor.execute(f"DROP INDEX {index}")
            try:
                yield
            finally:
                cursor.execute(f"TRUNCATE {self.table} CASCADE")
                cursor.execute(made)


@dataclass
class replaced:
    """Put something else in the place of a name of a module (`path.to.module:name` or `…:Class.name`)."""

    name: str
    by: Any
    met: int = 1
    _real: Any = field(default=None, repr=False)

    @contextmanager
    def taken(self, place: str) -> Iterator[None]:
        module, _, name = self.name.partition(":")
        owner: Any = import_module(module)
        *outer, last = name.split(".")
        for one in outer:
            owner = getattr(owner, one)
        real = getattr(owner, last)
        setattr(owner, last, self.by)
        try:
            yield
        finally:
            setattr(owner, last, real)
