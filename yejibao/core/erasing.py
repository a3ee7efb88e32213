"""Forgetting a person: each room says with one statement what becomes of him in its tables; here they are run together.

erasing.forget("crm_membertag", "DELETE FROM crm_membertag WHERE member_id = ANY(%(ids)s)")

The statements are plain SQL over `%(ids)s` (members) and `%(now)s`, since they run in two places: in the job that answers a
request to be deleted, and in a database that was just restored, over everybody on the list of those who were erased after
the backup was taken (the re-delete list). They may run twice. What the law keeps has no statement.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings

from .models import Erasure

AT_ONCE = 500
FILE = "erased-members.txt"


class Cursor(Protocol):
    """What both Django's and psycopg's cursors can do."""

    @property
    def rowcount(self) -> int: ...

    def execute(self, query: Any, params: Any = None) -> Any: ...


@dataclass(frozen=True)
class _Step:
    order: int
    name: str
    sql: str


_steps: dict[str, _Step] = {}


def forget(name: str, sql: str, *, order: int = 50) -> None:
    """Say how a person is forgotten in one table. Lower orders run first: rows that are found by others, before them."""
    _steps[name] = _Step(order, name, sql)


def erase(cursor: Cursor, ids: Iterable[int], *, now: datetime) -> dict[str, int]:
    """Forget these people in every table, and note that they were; returns the rows each statement touched."""
    params = {"ids": sorted(set(ids)), "now": now}
    counts = {}
    for step in sorted(_steps.values(), key=lambda step: (step.order, step.name)):
        cursor.execute(step.sql, params)
        counts[step.name] = cursor.rowcount
    cursor.execute(
        "INSERT INTO core_erasure (subject_id, erased_at) SELECT unnest(%(ids)s::bigint[]), %(now)s "
        "ON CONFLICT (subject_id) DO NOTHING",
        params,
    )
    return counts


# ---------------------------------------------------------------- the re-delete list


def write_list(path: Path) -> int:
    """Write the whole list to a file that outlives this database: ids and moments, nothing else. Returns how many."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    count = 0
    with open(part, "w") as file:
        for subject, at in Erasure.objects.order_by("pk").values_list("subject_id", "erased_at").iterator():
            file.write(f"{subject} {at.isoformat()}\n")
            count += 1
    part.rename(path)
    return count


def read_list(path: Path) -> dict[int, str]:
    """Return what a list says: when each was erased. An absent file is empty."""
    if not path.is_file():
        return {}
    lines = (line.split() for line in path.read_text().splitlines())
    return {int(parts[0]): parts[1] for parts in lines if len(parts) == 2 and parts[0].isdigit()}


def kept_list() -> Path:
    """Return where this installation keeps its list, outside the database."""
    return Path(settings.ERASED_LIST)


def erase_again(cursor: Cursor, listed: Mapping[int, str], *, now: datetime) -> int:
    """Forget in a restored database everybody on the list, whether or not it still knows him. Returns how many."""
    ids = sorted(listed)
    for first in range(0, len(ids), AT_ONCE):
        erase(cursor, ids[first : first + AT_ONCE], now=now)
    return len(ids)
