"""Changing the key of the blind indexes: every index anew under the key of now, a bounded batch a transaction.

It goes as the change of the data keys does (rotation.py): each table is walked once, how far is kept with the batch, others
write meanwhile under the newest key. Until it is through, whoever looks for somebody asks for the index under each key there is
(`personal.blind_indexes`), so nobody is lost on the way; only then the former key leaves YEJIBAO_OLD_INDEX_KEYS.

What a column's index also stands in elsewhere is said by its room: `follow` gets the old and new values of each batch in its
transaction, `inside` puts right the JSON of a table.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from django.apps import apps
from django.conf import settings
from django.db import connection, models, transaction

from . import audit, clock, personal
from .models import KeyRotation
from .rotation import AT_ONCE, Progress, Table, read_batch, write_batch
from .scope import Actor

log = logging.getLogger("yejibao.keys")
Follower = Callable[[Any, Mapping[str, str]], None]
Mender = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class _Walk:
    """One column with its index beside it, or a JSON column."""

    table: Table
    name: str  # of its row in KeyRotation
    purpose: str = ""


_followers: dict[str, list[Follower]] = {}
_menders: dict[str, tuple[Table, list[Mender]]] = {}


def follow(column: str, follower: Follower) -> None:
    """Call with (cursor, old index -> new one) for each batch of `table.column`. Safe to run twice."""
    _followers.setdefault(column, []).append(follower)


def inside(table: str, column: str, mender: Mender, *, keys: tuple[str, ...] = ("id",)) -> None:
    """Let a function put right the indexes in a JSON column of a table, one object at a time, in place."""
    _menders.setdefault(table, (Table(table, keys, "bigint", (column,), is_json=True), []))[1].append(mender)


def key_id() -> str:
    """Return by what the key of now is told from others; it says nothing of the key."""
    return f"index:{hashlib.sha256(settings.INDEX_KEY.encode()).hexdigest()[:12]}"


def walks() -> list[_Walk]:
    """Return all that is walked: columns first, as the JSON of others is looked up by them."""
    found = []
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, personal.EncryptedField) and field.index:
                key = model._meta.pk
                kind = "text" if isinstance(key, models.CharField) else "bigint"
                table = Table(model._meta.db_table, (str(key.column),), kind, (str(field.column), field.index))
                found.append(_Walk(table, f"{table.name}.{field.column}", field.name))
    found.sort(key=lambda walk: walk.name)
    return found + [_Walk(table, f"{name}.{table.columns[0]}") for name, (table, _) in sorted(_menders.items())]


def rebuild(*, at_once: int = AT_ONCE, goes_on: Callable[[], bool] = lambda: True) -> Iterator[Progress]:
    """Make every index anew that is not under the key of now, going on where the last run stopped."""
    for one in walks():
        row, is_new = KeyRotation.objects.get_or_create(
            table=one.name, key_id=key_id(), defaults={"started_at": clock.now()}
        )
        if is_new:
            audit.record(Actor.system("rotate_index"), "keys.index_started", row)
        while row.done_at is None:
            if not goes_on():
                return
            row = _batch(one, row, at_once)
            yield Progress(one.name, row.rows, row.changed, row.done_at is not None)


@transaction.atomic
def _batch(one: _Walk, held: KeyRotation, at_once: int) -> KeyRotation:
    held = KeyRotation.objects.select_for_update().get(pk=held.pk)  # two runs take turns
    if held.done_at is not None:
        return held
    with connection.cursor() as cursor:
        rows = read_batch(cursor, one.table, held.after, at_once)
        held.changed += _mend(cursor, one, rows) if one.table.is_json else _reindex(cursor, one, rows)
    held.rows += len(rows)
    held.after = one.table.key_of(rows[-1]) if rows else held.after
    if not rows:
        held.done_at = clock.now()
        facts = {"rows": held.rows, "changed": held.changed}
        audit.record(Actor.system("rotate_index"), "keys.index_finished", held, after=facts)
    held.save(update_fields=["rows", "changed", "after", "done_at"])
    return held


def _reindex(cursor: Any, one: _Walk, rows: list[tuple[Any, ...]]) -> int:
    column, index = one.table.columns
    changed = []
    for row in rows:
        sealed, old = row[-2:]
        if not sealed or not old:
            continue
        try:
            fresh = personal.blind_index(personal.decrypt(sealed, column=one.name), purpose=one.purpose)
        except (InvalidTag, KeyError, ValueError):
            log.error("a value cannot be read", extra={"facts": {"table": one.name, "row": one.table.key_of(row)}})
            continue
        if fresh != old:
            changed.append((row, (sealed, fresh)))
    if not changed:
        return 0
    # First what stands elsewhere: a follower may ask whose the old one is.
    for follower in _followers.get(one.name, []):
        follower(cursor, {row[-1]: anew[1] for row, anew in changed})
    return write_batch(cursor, one.table, changed, only=(index,))


def _mend(cursor: Any, one: _Walk, rows: list[tuple[Any, ...]]) -> int:
    menders, changed = _menders[one.table.name][1], []
    for row in rows:
        held = json.loads(row[-1]) if row[-1] else None
        if not isinstance(held, dict):
            continue
        fresh = dict(held)
        try:
            for mender in menders:
                mender(fresh)
        except (InvalidTag, KeyError, ValueError):
            log.error("a value cannot be read", extra={"facts": {"table": one.name, "row": one.table.key_of(row)}})
            continue
        if fresh != held:
            changed.append((row, (json.dumps(fresh),)))
    return write_batch(cursor, one.table, changed) if changed else 0
