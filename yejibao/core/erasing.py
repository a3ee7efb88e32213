"""Forgetting a person: each room says with one statement what becomes of him in its tables; here they are run together.

erasing.forget("crm_membertag", "DELETE FROM crm_membertag WHERE member_id = ANY(%(ids)s)")

The statements are plain SQL over `%(ids)s` (members), `%(marks)s` and `%(now)s`, since they run in two places: in the job that
answers a request to be deleted, and in a database that was just restored, over everybody on the list of those who were erased
after the backup was taken (the re-delete list). They may run twice. What the law keeps has no statement.

Of his card numbers and phones a keyed hash each is kept (`remember`, `mark`): whoever creates people from what other systems
send asks `forgotten` first, or he would be back with the next feed.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings
from django.db import connection

from .models import Erasure
from .personal import blind_index, blind_indexes

AT_ONCE = 500
FILE = "erased-members.txt"


class Cursor(Protocol):
    """What both Django's and psycopg's cursors can do."""

    @property
    def rowcount(self) -> int: ...

    def execute(self, query: Any, params: Any = None) -> Any: ...

    def fetchall(self) -> Any: ...


@dataclass(frozen=True)
class _Step:
    order: int
    name: str
    sql: str


_steps: dict[str, _Step] = {}
_names: list[str] = []


def forget(name: str, sql: str, *, order: int = 50) -> None:
    """Say how a person is forgotten in one table. Lower orders run first: rows that are found by others, before them."""
    _steps[name] = _Step(order, name, sql)


def remember(sql: str) -> None:
    """Say by which names a person could come back: a query over `%(ids)s` for (id, kind, value)."""
    _names.append(sql)


def mark(kind: str, value: str) -> str:
    """Return what is kept of a name of somebody who was forgotten."""
    return blind_index(value, purpose=f"erased_{kind}")


def marks(kind: str, values: Iterable[str]) -> set[str]:
    """Return all marks that may have been kept of these names, under the index key of now and former ones.

    Nobody can make a mark anew, as nothing else is known of him: a former key is asked for as long as it is set.
    """
    return {one for value in values for one in blind_indexes(value, purpose=f"erased_{kind}")}


def forgotten(marks: Collection[str]) -> dict[str, datetime]:
    """Return which of these marks are of people who were forgotten, and when they were."""
    if not marks:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT one, max(erased_at) FROM core_erasure, unnest(marks) one "
            "WHERE marks && %(marks)s::varchar[] AND one = ANY(%(marks)s) GROUP BY one",
            {"marks": sorted(marks)},
        )
        return dict(cursor.fetchall())


def erase(
    cursor: Cursor, ids: Iterable[int], *, now: datetime, known: Mapping[int, Collection[str]] | None = None
) -> dict[str, int]:
    """Forget these people in every table, and note that they were; returns the rows each statement touched.

    `known` are the marks of an earlier time, for a database that does not know them any more, or not yet.
    """
    marks: dict[int, set[str]] = defaultdict(set)
    for subject, kept in (known or {}).items():
        marks[subject].update(kept)
    params: dict[str, Any] = {"ids": sorted(set(ids)), "now": now}
    for names in _names:
        cursor.execute(names, params)
        for subject, kind, value in cursor.fetchall():
            marks[subject].add(mark(kind, value))
    params["marks"] = sorted({one for kept in marks.values() for one in kept})
    counts = {}
    for step in sorted(_steps.values(), key=lambda step: (step.order, step.name)):
        cursor.execute(step.sql, params)
        counts[step.name] = cursor.rowcount
    cursor.execute(
        """
        INSERT INTO core_erasure AS t (subject_id, erased_at, marks)
        SELECT id, %(now)s, coalesce(array_agg(mark) FILTER (WHERE mark IS NOT NULL), '{}')
        FROM unnest(%(ids)s::bigint[]) id LEFT JOIN unnest(%(whose)s::bigint[], %(each)s::varchar[]) m (whose, mark) ON whose = id
        GROUP BY id
        ON CONFLICT (subject_id) DO UPDATE SET marks = ARRAY(SELECT DISTINCT unnest(t.marks || excluded.marks) ORDER BY 1)
        """,
        params
        | {
            "whose": [subject for subject, kept in marks.items() for _ in kept],
            "each": [one for kept in marks.values() for one in kept],
        },
    )
    return counts


# ---------------------------------------------------------------- the re-delete list


def write_list(path: Path) -> int:
    """Write the whole list to a file that outlives this database: ids, moments and marks, nothing else. Returns how many."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    count = 0
    with open(part, "w") as file:
        for subject, at, marks in (
            Erasure.objects.order_by("pk").values_list("subject_id", "erased_at", "marks").iterator()
        ):
            file.write(" ".join([str(subject), at.isoformat(), *marks]) + "\n")
            count += 1
    part.rename(path)
    return count


def read_list(path: Path) -> dict[int, str]:
    """Return what a list says of each: when he was erased, and the marks of his names. An absent file is empty."""
    if not path.is_file():
        return {}
    lines = (line.split(maxsplit=1) for line in path.read_text().splitlines())
    return {int(parts[0]): parts[1] for parts in lines if len(parts) == 2 and parts[0].isdigit()}


def kept_list() -> Path:
    """Return where this installation keeps its list, outside the database."""
    return Path(settings.ERASED_LIST)


def erase_again(cursor: Cursor, listed: Mapping[int, str], *, now: datetime) -> int:
    """Forget in a restored database everybody on the list, whether or not it still knows him. Returns how many."""
    ids = sorted(listed)
    for first in range(0, len(ids), AT_ONCE):
        some = ids[first : first + AT_ONCE]
        erase(cursor, some, now=now, known={subject: listed[subject].split()[1:] for subject in some})
    return len(ids)
