"""A backup into a database of its own, counted against its note."""

import hashlib
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import psycopg
import pyrage
from psycopg import sql

from .. import erasing
from . import databases, tallies
from .dumping import BackupError, Note

# What was due between the backup and now may have left: only the platform knows, and it forgets after four hours.
_UNSURE = """
UPDATE core_outboxmessage SET state = 'unknown', first_unknown_at = coalesce(first_unknown_at, %(taken)s), claim_token = NULL,
    lease_until = NULL
WHERE state = 'claimed' OR state IN ('pending', 'unknown') AND next_at <= %(now)s
"""
_SHUT = "INSERT INTO core_sendinggate (shut_at, why, reason, opened_by) VALUES (%(now)s, %(why)s, '', '')"


@dataclass(frozen=True)
class Restored:
    """What came out. `differing` names each table or sum that is not what the note says: (expected, found)."""

    database: str
    rows: int
    differing: dict[str, tuple[int, int]] = field(default_factory=dict)
    erased_again: int = 0  # members forgotten on request, who were forgotten here too


def restore(
    bundle: Path, *, identity: str, database: str, now: datetime, erased: Mapping[int, str] | None = None
) -> Restored:
    """Put a backup into a new database and count it; then shut the gate there. Raises BackupError, leaving no half database.

    `identity` is the text of an age key (AGE-SECRET-KEY-1…). Whoever stands on the list `erased` was forgotten on request
    and is forgotten here too, before anybody can look (core/erasing.py).
    """
    note = Note.of(bundle)
    with open(bundle, "rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != note.sha256:
            raise BackupError(f"{bundle.name} 和做完时不一样：没有拷全，或者坏了。换另一处的那一份。")
    _make(database)
    try:
        _fill(bundle, identity=identity, database=database)
        with databases.connect(database) as there:
            found = tallies.count(there)
            differing = {
                name: (note.tallies.get(name, 0), found.get(name, 0))
                for name in note.tallies.keys() | found.keys()
                if note.tallies.get(name) != found.get(name)
            }
            with there.cursor() as cursor:
                again = erasing.erase_again(cursor, erased or {}, now=now)
            there.execute(_UNSURE, {"taken": datetime.fromisoformat(note.taken_at), "now": now})
            there.execute(_SHUT, {"now": now, "why": f"恢复自 {bundle.name}"})
    except BaseException:
        drop(database)
        raise
    return Restored(database, tallies.rows_in(found), differing, again)


def drop(database: str) -> None:
    with databases.connect("postgres", autocommit=True) as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))


def _make(database: str) -> None:
    with databases.connect("postgres", autocommit=True) as server:
        try:
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        except psycopg.errors.DuplicateDatabase:
            raise BackupError(f"数据库 {database} 已经有了。恢复只进新的库，旧的一行不动；换个名字再来。") from None


def _fill(bundle: Path, *, identity: str, database: str) -> None:
    try:
        key = pyrage.x25519.Identity.from_str(identity.strip())
    except pyrage.IdentityError:
        raise BackupError("这不是一把 age 私钥（以 AGE-SECRET-KEY-1 开头的一行）。") from None
    command = [
        str(databases.tool("pg_restore")),
        "--no-owner",
        "--no-privileges",
        "--exit-on-error",
        f"--dbname={database}",
    ]
    with (
        open(bundle, "rb") as file,
        subprocess.Popen(
            command, env=databases.environment(database), stdin=subprocess.PIPE, stderr=subprocess.PIPE
        ) as filling,
    ):
        assert filling.stdin is not None and filling.stderr is not None
        try:
            pyrage.decrypt_io(file, filling.stdin, [key])
            filling.stdin.close()
        except pyrage.DecryptError as error:
            filling.kill()
            raise BackupError(f"{bundle.name} 打不开：钥匙不对。（{error}）") from None
        except OSError:
            pass  # the pipe broke; pg_restore says below what it did not like
        said = filling.stderr.read().decode(errors="replace").strip()
    if filling.returncode:
        raise BackupError(f"pg_restore 没有做完：{said.splitlines()[0] if said else filling.returncode}")
