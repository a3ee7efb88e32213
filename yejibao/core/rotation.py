"""Changing the key of the encrypted columns: every row anew under the newest key, a bounded batch a transaction.

Each table is walked once by its primary key, and how far is kept with the batch (KeyRotation): whatever stops the walk, the
next one goes on behind the last batch that was committed. Others write meanwhile, already under the newest key.
"""

import logging
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from django.apps import apps
from django.db import connection, models, transaction

from . import audit, clock, personal
from .models import KeyRotation
from .scope import Actor

log = logging.getLogger("yejibao.keys")
AT_ONCE, BYTES_AT_ONCE = 2_000, 32 * 2**20  # some rows hold a whole file


@dataclass(frozen=True)
class Table:
    """A table with encrypted columns. Its rows are walked in the order of `keys`: one column, or several whole numbers."""

    name: str
    keys: tuple[str, ...]
    key_type: str
    columns: tuple[str, ...]
    is_json: bool = False  # its columns are JSON with encrypted texts somewhere inside

    def after(self, text: str) -> tuple[str, list[str]]:
        """Return the condition "behind this key", with its parameters; `text` as `key_of` made it, empty for the beginning."""
        if not text:
            return "true", []
        values = [text] if len(self.keys) == 1 else text.split(",")
        return f"({', '.join(self.keys)}) > ({', '.join([f'%s::{self.key_type}'] * len(values))})", values

    def key_of(self, row: tuple[Any, ...]) -> str:
        return ",".join(map(str, row[: len(self.keys)]))


@dataclass(frozen=True)
class Progress:
    """After one batch: rows looked at and written anew so far in this table, and whether it is through."""

    table: str
    rows: int
    changed: int
    is_done: bool


_json: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {}
_SEALED = re.compile(r"([\w.-]{1,32})\$[A-Za-z0-9+/]{38,}={0,2}")


def also_in(table: str, column: str, *, places: Collection[str] = (), keys: tuple[str, ...] = ("id",)) -> None:
    """Say that a JSON column of a table holds encrypted texts: those of any encrypted column, and of `places`."""
    _json[table] = (column, tuple(places), keys)


def tables() -> list[Table]:
    """Return every table that has an encrypted column, by name."""
    found = []
    for model in apps.get_models():
        columns = tuple(
            str(field.column) for field in model._meta.concrete_fields if isinstance(field, personal.EncryptedField)
        )
        if columns:
            key = model._meta.pk
            kind = "text" if isinstance(key, models.CharField) else "bigint"
            found.append(Table(model._meta.db_table, (str(key.column),), kind, columns))
    found += [Table(name, keys, "bigint", (column,), is_json=True) for name, (column, _, keys) in _json.items()]
    return sorted(found, key=lambda table: (table.name, table.is_json))


def rotate(*, at_once: int = AT_ONCE, goes_on: Callable[[], bool] = lambda: True) -> Iterator[Progress]:
    """Encrypt anew what is not under the newest key, going on where the last run stopped; asks `goes_on` before each batch."""
    key_id = personal.newest_key()
    for table in tables():
        walk, is_new = KeyRotation.objects.get_or_create(
            table=table.name, key_id=key_id, defaults={"started_at": clock.now()}
        )
        if is_new:
            audit.record(Actor.system("rotate_keys"), "keys.rotation_started", walk, after={"key": key_id})
        while walk.done_at is None:
            if not goes_on():
                return
            walk = _batch(table, walk, at_once)
            yield Progress(table.name, walk.rows, walk.changed, walk.done_at is not None)


@transaction.atomic
def _batch(table: Table, walk: KeyRotation, at_once: int) -> KeyRotation:
    walk = KeyRotation.objects.select_for_update().get(pk=walk.pk)  # two runs take turns
    if walk.done_at is not None:
        return walk
    with connection.cursor() as cursor:
        rows = read_batch(cursor, table, walk.after, at_once)
        first = len(table.keys)
        changed = [(row, anew) for row in rows if (anew := _anew(table, row, walk.key_id)) != tuple(row[first:])]
        if changed:
            walk.changed += write_batch(cursor, table, changed)
    walk.rows += len(rows)
    walk.after = table.key_of(rows[-1]) if rows else walk.after
    if not rows:
        walk.done_at = clock.now()
        facts = {"key": walk.key_id, "rows": walk.rows, "changed": walk.changed}
        audit.record(Actor.system("rotate_keys"), "keys.rotation_finished", walk, after=facts)
    walk.save(update_fields=["rows", "changed", "after", "done_at"])
    return walk


def read_batch(cursor: Any, table: Table, after: str, at_once: int) -> list[tuple[Any, ...]]:
    """Return the next rows, keys and columns, of at most BYTES_AT_ONCE together."""
    keys = ", ".join(table.keys)
    columns = ", ".join(f"{name}::text AS {name}" if table.is_json else name for name in table.columns)
    size = " + ".join(f"octet_length(coalesce({name}::text, ''))" for name in table.columns)
    where, values = table.after(after)
    cursor.execute(
        f"""SELECT {keys}, {", ".join(table.columns)} FROM (
            SELECT {keys}, {columns}, row_number() OVER walk AS walk_place, sum({size}) OVER walk AS walk_bytes
            FROM {table.name} WHERE {where} WINDOW walk AS (ORDER BY {keys}) ORDER BY {keys} LIMIT %s) found
        WHERE walk_place = 1 OR walk_bytes <= %s ORDER BY {keys}""",
        [*values, at_once, BYTES_AT_ONCE],
    )
    return list(cursor.fetchall())


def _anew(table: Table, row: tuple[Any, ...], key_id: str) -> tuple[str | None, ...]:
    """Return a row's ciphertexts under the newest key; one that nobody can read any more stays as it is."""
    texts = row[len(table.keys) :]
    if table.is_json:
        return tuple(_anew_inside(table, table.key_of(row), text, key_id) for text in texts)
    fresh = []
    for column, sealed in zip(table.columns, texts, strict=True):
        if sealed and not sealed.startswith(f"{key_id}$"):
            place = f"{table.name}.{column}"
            try:
                sealed = personal.encrypt(personal.decrypt(sealed, column=place), column=place)
            except (InvalidTag, KeyError, ValueError):
                log.error("a value cannot be read", extra={"facts": {"table": table.name, "row": table.key_of(row)}})
        fresh.append(sealed)
    return tuple(fresh)


def _anew_inside(table: Table, row: str, text: str | None, key_id: str) -> str | None:
    """Return a JSON text with the encrypted texts in it anew. Which column one is for, only opening it tells."""
    own = [f"{one.name}.{column}" for one in tables() if not one.is_json for column in one.columns]
    places = (*_json[table.name][1], *own)

    def anew(found: re.Match[str]) -> str:
        if found[1] == key_id:
            return found[0]
        for place in places:
            try:
                return personal.encrypt(personal.decrypt(found[0], column=place), column=place)
            except (InvalidTag, KeyError, ValueError):
                continue
        log.error("a value cannot be read", extra={"facts": {"table": table.name, "row": row}})
        return found[0]

    return _SEALED.sub(anew, text) if text else text


def write_batch(
    cursor: Any,
    table: Table,
    changed: Sequence[tuple[tuple[Any, ...], tuple[str | None, ...]]],
    *,
    only: tuple[str, ...] = (),
) -> int:
    """Write new values (all columns, or `only` these) where the old ones still stand: what somebody wrote meanwhile is newer."""
    names, cast = table.columns, "::jsonb" if table.is_json else ""
    keys = [f"key_{name}" for name in table.keys]
    old, new = [f"old_{name}" for name in names], [f"new_{name}" for name in names]
    arrays = [f"%s::{table.key_type}[]"] * len(keys) + ["%s::text[]"] * (2 * len(names))
    same = [f"t.{name} = u.key_{name}" for name in table.keys]
    same += [f"t.{name} IS NOT DISTINCT FROM u.old_{name}{cast}" for name in names]
    cursor.execute(
        f"UPDATE {table.name} t SET {', '.join(f'{name} = u.new_{name}{cast}' for name in only or names)} "
        f"FROM unnest({', '.join(arrays)}) u({', '.join([*keys, *old, *new])}) WHERE {' AND '.join(same)}",
        [
            *([row[place] for row, _ in changed] for place in range(len(keys) + len(names))),
            *([anew[place] for _, anew in changed] for place in range(len(names))),
        ],
    )
    return int(cursor.rowcount)


def keys_in_use(*, at_once: int = 50_000) -> dict[str, Counter[str]]:
    """Count the values under each key, by column: an old key may go when it is nowhere here nor in a backup that is kept."""
    found: dict[str, Counter[str]] = {}
    for table in tables():
        after, first = "", len(table.keys)
        while True:
            where, values = table.after(after)
            with connection.cursor() as cursor:
                kinds = ", ".join(
                    f"(SELECT string_agg(m[1], ' ') FROM regexp_matches({name}::text, '\"([A-Za-z0-9_.-]+)[$][A-Za-z0-9+/]{{38,}}', 'g') m)"
                    if table.is_json
                    else f"split_part({name}, '$', 1)"
                    for name in table.columns
                )
                keys = ", ".join(table.keys)
                cursor.execute(
                    f"SELECT {keys}, {kinds} FROM {table.name} WHERE {where} ORDER BY {keys} LIMIT %s",
                    [*values, at_once],
                )
                rows = cursor.fetchall()
            for row in rows:
                for name, key_id in zip(table.columns, row[first:], strict=True):
                    if key_id:
                        found.setdefault(f"{table.name}.{name}", Counter()).update(key_id.split())
            if len(rows) < at_once:
                break
            after = table.key_of(rows[-1])
    return found
