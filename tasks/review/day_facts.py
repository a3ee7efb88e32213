"""How a person's tasks of a day went, for the work log. Imported when the department starts.

Counted from the tasks themselves by the board's own rules: it is read in the evening, once a person.
"""

from collections.abc import Collection
from datetime import date, datetime, time, timedelta

from django.db.models import Count, F, Q

from guides.worklog.facts import fact
from tasks.followups.models import Task
from yejibao.core import clock

from .figures import percent


def _counts(staff_ids: Collection[int], day: date, now: datetime) -> dict[int, tuple[int, int, int]]:
    """Return (done, on time, due) of each person: models.yaml task_completion_rate, on_time_rate."""
    starts = clock.local_moment(day, time())
    due = Task.objects.filter(assignee_id__in=staff_ids, due_at__gte=starts, due_at__lt=starts + timedelta(days=1))
    done = Q(state=Task.State.DONE)
    missed = Q(state=Task.State.EXPIRED) | Q(state=Task.State.OPEN, held_at=None, due_at__lte=now)
    rows = due.order_by().values("assignee_id").annotate(
        done=Count("pk", filter=done), on_time=Count("pk", filter=done & Q(done_at__lte=F("due_at"))),
        all=Count("pk", filter=done | missed),
    )  # fmt: skip
    return {row["assignee_id"]: (row["done"], row["on_time"], row["all"]) for row in rows}


@fact("task_completion_rate", label="任务完成率", order=30)
def completion(staff_ids: Collection[int], day: date, *, now: datetime) -> dict[int, str]:
    """Return 78.4%（29/37）of the tasks due that day; none due, no figure."""
    found = _counts(staff_ids, day, now)
    return {staff: f"{percent(done, due)}（{done}/{due}）" for staff, (done, _on_time, due) in found.items() if due}


@fact("on_time_rate", label="准时率", order=40)
def on_time(staff_ids: Collection[int], day: date, *, now: datetime) -> dict[int, str]:
    """Return the share of them that was done by its time."""
    found = _counts(staff_ids, day, now)
    return {staff: percent(punctual, due) for staff, (_done, punctual, due) in found.items() if due}
