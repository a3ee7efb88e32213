"""Changing the key of the encrypted columns: every row anew under the newest key, a bounded batch a transaction.

Each table is walked once by its primary key, and how far is kept with the batch (KeyRotation): whatever stops the walk, the
next one goes on behind the last batch that was committed. Others write meanwhile, already under the newest key.
"""

import logging
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator
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
    """A table with encrypted columns."""

    name: str
    key: str
    key_type: str
    columns: tuple[str, ...]
    is_json: bool = False  # its columns are JSON with encrypted texts somewhere inside


@dataclass(frozen=True)
class Progress:
    """After one batch: rows looked at and written anew so far in this table, and whether it is through."""

    table: str
    rows: int
    changed: int
    is_done: bool


_json: dict[str, tuple[str, tuple[str, ...]]] = {}
_SEALED = re.compile(r"([\w.-]{1,32})\$[A-Za-z0-9+/]{38,}={0,2}")


def also_in(table: str, column: str, *, places: Collection[str] = ()) -> None:
    """Say that a JSON column of a table (with a key `id`) holds encrypted texts: those of any encrypted column, and of `places`."""
    _json[table] = (column, tuple(places))


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
            found.append(Table(model._meta.db_table, str(key.column), kind, columns))
    found += [Table(name, "id", "bigint", (column,), is_json=True) for name, (column, _) in _json.items()]
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
    columns = ", ".join(f"{name}::text AS {name}" if table.is_json else name for name in table.columns)
    size = " + ".join(f"octet_length(coalesce({name}::text, ''))" for name in table.columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT {table.key}, {", ".join(table.columns)} FROM (
                SELECT {table.key}, {columns}, row_number() OVER walk AS place, sum({size}) OVER walk AS bytes
                FROM {table.name} {f"WHERE {table.key} > %(after)s::{table.key_type}" if walk.after else ""}
                WINDOW walk AS (ORDER BY {table.key}) ORDER BY {table.key} LIMIT %(at_once)s) found
            WHERE place = 1 OR bytes <= %(bytes)s ORDER BY {table.key}""",
            {"after": walk.after, "at_once": at_once, "bytes": BYTES_AT_ONCE},
        )
        rows = cursor.fetchall()
        changed = [(row, anew) for row in rows if (anew := _anew(table, row, walk.key_id)) != tuple(row[1:])]
        if changed:
            walk.changed += _write(cursor, table, changed)
    walk.rows += len(rows)
    walk.after = str(rows[-1][0]) if rows else walk.after
    if not rows:
        walk.done_at = clock.now()
        facts = {"key": walk.key_id, "rows": walk.rows, "changed": walk.changed}
        audit.record(Actor.system("rotate_keys"), "keys.rotation_finished", walk, after=facts)
    walk.save(update_fields=["rows", "changed", "after", "done_at"])
    return walk


def _anew(table: Table, row: tuple[Any, ...], key_id: str) -> tuple[str | None, ...]:
    """Return a row's ciphertexts under the newest key; one that nobody can read any more stays as it is."""
    if table.is_json:
        return tuple(_anew_inside(table, str(row[0]), text, key_id) for text in row[1:])
    fresh = []
    for column, sealed in zip(table.columns, row[1:], strict=True):
        if sealed and not sealed.startswith(f"{key_id}$"):
            place = f"{table.name}.{column}"
            try:
                sealed = personal.encrypt(personal.decrypt(sealed, column=place), column=place)
            except (InvalidTag, KeyError, ValueError):
                log.error("a value cannot be read", extra={"facts": {"table": table.name, "row": str(row[0])}})
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


def _write(cursor: Any, table: Table, changed: list[tuple[tuple[Any, ...], tuple[str | None, ...]]]) -> int:
    """Write the new ciphertexts where the old ones still stand: what somebody wrote meanwhile is newer."""
    names, cast = table.columns, "::jsonb" if table.is_json else ""
    old, new = ", ".join(f"old_{n}" for n in names), ", ".join(f"new_{n}" for n in names)
    arrays = ", ".join(["%s::text[]"] * (2 * len(names)))
    cursor.execute(
        f"UPDATE {table.name} t SET {', '.join(f'{n} = u.new_{n}{cast}' for n in names)} "
        f"FROM unnest(%s::{table.key_type}[], {arrays}) u(key, {old}, {new}) "
        f"WHERE t.{table.key} = u.key AND {' AND '.join(f't.{n} IS NOT DISTINCT FROM u.old_{n}{cast}' for n in names)}",
        [
            [row[0] for row, _ in changed],
            *([row[1 + place] for row, _ in changed] for place in range(len(names))),
            *([anew[place] for _, anew in changed] for place in range(len(names))),
        ],
    )
    return int(cursor.rowcount)


def keys_in_use(*, at_once: int = 50_000) -> dict[str, Counter[str]]:
    """Count the values under each key, by column: an old key may go when it is nowhere here nor in a backup that is kept."""
    found: dict[str, Counter[str]] = {}
    for table in tables():
        after = None
        while True:
            with connection.cursor() as cursor:
                kinds = ", ".join(
                    f"(SELECT string_agg(m[1], ' ') FROM regexp_matches({name}::text, '\"([A-Za-z0-9_.-]+)[$][A-Za-z0-9+/]{{38,}}', 'g') m)"
                    if table.is_json
                    else f"split_part({name}, '$', 1)"
                    for name in table.columns
                )
                cursor.execute(
                    f"SELECT {table.key}, {kinds} FROM {table.name} "
                    + (f"WHERE {table.key} > %(after)s " if after is not None else "")
                    + f"ORDER BY {table.key} LIMIT %(at_once)s",
                    {"after": after, "at_once": at_once},
                )
                rows = cursor.fetchall()
            for row in rows:
                for name, key_id in zip(table.columns, row[1:], strict=True):
                    if key_id:
                        found.setdefault(f"{table.name}.{name}", Counter()).update(key_id.split())
            if len(rows) < at_once:
                break
            after = rows[-1][0]
    return found
