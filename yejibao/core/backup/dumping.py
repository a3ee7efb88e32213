"""One file that holds the database of one moment, and beside it a note of what must be in it."""

import hashlib
import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO

import pyrage

from . import databases, tallies

KEEP = timedelta(days=35)  # reliability-security §12
ENDING, NOTE = ".dump.age", ".json"


class BackupError(Exception):
    """The backup or its restore did not come about; the text says why, for the one who called it."""


@dataclass(frozen=True)
class Note:
    """What stands beside a backup. A backup without its note is not whole."""

    name: str
    taken_at: str  # ISO 8601; the moment of the snapshot or a little before
    bytes: int
    sha256: str
    tallies: dict[str, int]

    @classmethod
    def of(cls, bundle: Path) -> "Note":
        """Read the note beside a backup. Raises BackupError where there is none."""
        try:
            return cls(**json.loads(note_path(bundle).read_text()))
        except FileNotFoundError:
            raise BackupError(f"{bundle.name} 旁边没有 {note_path(bundle).name}：这份备份没有做完。") from None


def note_path(bundle: Path) -> Path:
    return bundle.with_name(bundle.name.removesuffix(ENDING) + NOTE)


class _Hashed:
    """A file that is hashed while it is written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.hash, self.bytes = file, hashlib.sha256(), 0

    def write(self, data: bytes) -> int:
        self.hash.update(data)
        self.bytes += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


def dump(folder: Path, *, recipients: Sequence[str], now: datetime) -> Note:
    """Write a backup of this moment into a folder, readable by those who hold a key of `recipients` (age1…).

    The counts are of the very snapshot that is dumped, so they must come out to the row. A dump that breaks off leaves
    nothing. Raises BackupError.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    bundle = folder / f"yejibao-{now:%Y%m%dT%H%M%SZ}{ENDING}"
    part = bundle.with_suffix(".part")
    keys = [pyrage.x25519.Recipient.from_str(recipient) for recipient in recipients]
    with databases.connect(databases.name()) as moment:
        moment.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        row = moment.execute("SELECT pg_export_snapshot()").fetchone()
        assert row is not None
        try:
            written = _dump_to(part, snapshot=row[0], keys=keys)
            counted = tallies.count(moment)
            note = Note(bundle.name, now.isoformat(), written.bytes, written.hash.hexdigest(), counted)
            part.rename(bundle)
            note_path(bundle).write_text(json.dumps(asdict(note), indent=1))
        finally:
            part.unlink(missing_ok=True)
    return note


def _dump_to(part: Path, *, snapshot: str, keys: Sequence[pyrage.x25519.Recipient]) -> _Hashed:
    command = [
        str(databases.tool("pg_dump")),
        "--format=custom",
        f"--snapshot={snapshot}",
        "--no-owner",
        "--no-privileges",
    ]
    with open(part, "xb", opener=_private) as file:
        written = _Hashed(file)
        with subprocess.Popen(
            command, env=databases.environment(databases.name()), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as dumping:
            assert dumping.stdout is not None and dumping.stderr is not None
            pyrage.encrypt_io(dumping.stdout, written, list(keys))
            said = dumping.stderr.read().decode(errors="replace").strip()
        if dumping.returncode:
            raise BackupError(f"pg_dump 没有做完：{said.splitlines()[-1] if said else dumping.returncode}")
    return written


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def forget_old(folder: Path, *, now: datetime) -> int:
    """Delete whole backups older than 35 days, always keeping the newest; return how many."""
    notes = sorted(folder.glob(f"yejibao-*{NOTE}"))
    old = [path for path in notes[:-1] if datetime.fromisoformat(json.loads(path.read_text())["taken_at"]) < now - KEEP]
    for path in old:
        path.with_name(path.name.removesuffix(NOTE) + ENDING).unlink(missing_ok=True)
        path.unlink()
    return len(old)
