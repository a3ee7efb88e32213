"""All writes of duties, set-based: 10,000 people get one with a few statements."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from tasks.cadences.loading import read_book
from yejibao.core import waiting

from .models import Duty

AT_ONCE = 2_000
EXPIRE_ROWS = 5_000

waiting.count("duties", "tasks_duty one WHERE one.assignee_id = person.id AND one.state = 'open'")


@dataclass(frozen=True)
class NewDuty:
    """One thing to do, for one person. `task_type` is one of task_types.yaml, `url` a page of ours where it is done."""

    assignee_id: int
    task_type: str
    key: str
    title: str
    url: str
    due_at: datetime
    expire_at: datetime
    why: str = ""


def priority_of(task_type: str) -> int:
    """Return the priority of a kind. Raises KeyError for one that task_types.yaml does not know."""
    return {kind["key"]: int(kind["priority"]) for kind in read_book("task_types")["task_types"]}[task_type]


def open_duties(duties: Sequence[NewDuty], *, now: datetime) -> int:
    """Open duties; whoever has one of that kind and key, open or over, gets no second. Returns how many are new."""
    opened = 0
    for first in range(0, len(duties), AT_ONCE):
        part = sorted(duties[first : first + AT_ONCE], key=lambda one: (one.task_type, one.key, one.assignee_id))
        columns = [
            (one.assignee_id, one.task_type, one.key[:64], one.title[:60], one.why[:160], one.url[:255],
             priority_of(one.task_type), one.due_at, max(one.due_at, one.expire_at))
            for one in part
        ]  # fmt: skip
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO tasks_duty (assignee_id, task_type, key, title, why, url, priority, due_at, expire_at, state, open_at)
                SELECT n.*, 'open', %s FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
                    %s::smallint[], %s::timestamptz[], %s::timestamptz[])
                    AS n(assignee_id, task_type, key, title, why, url, priority, due_at, expire_at)
                ON CONFLICT (task_type, key, assignee_id) DO NOTHING
                """,
                [now, *map(list, zip(*columns, strict=True))],
            )
            opened += cursor.rowcount
    return opened


def close_duties(
    task_type: str, key: str, *, now: datetime, assignees: Collection[int] | None = None, state: str = Duty.State.DONE
) -> int:
    """Close what is open of a kind and key, of these people or of all. Closed twice is closed once. Returns how many."""
    rows = Duty.objects.filter(task_type=task_type, key=key, state=Duty.State.OPEN)
    rows = rows if assignees is None else rows.filter(assignee_id__in=assignees)
    return rows.update(state=state, closed_at=now)


def expire_duties(*, now: datetime) -> dict[str, int]:
    """End what nobody did in time. Returns how many."""
    expired = 0
    while True:
        due = Duty.objects.filter(state=Duty.State.OPEN, expire_at__lte=now).order_by("expire_at", "pk")[:EXPIRE_ROWS]
        count = Duty.objects.filter(pk__in=list(due.values_list("pk", flat=True)), state=Duty.State.OPEN).update(
            state=Duty.State.EXPIRED, closed_at=now
        )
        expired += count
        if count < EXPIRE_ROWS:
            return {"expired": expired}
