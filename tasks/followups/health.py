"""What the department adds to /statusz and /metrics."""

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Count, Q

from tasks.cadences.models import Enrollment
from yejibao.core import health

from .models import Task


@health.sign("enrollments")
def oldest_due_enrollment(now: datetime) -> health.Facts:
    """The clock hand that should have moved longest ago."""
    due = Enrollment.objects.filter(next_due_at__lte=now)
    oldest = due.order_by("next_due_at").values_list("next_due_at", flat=True).first()
    return health.due_age(oldest, now) | {"due": due.count()}


@health.gauge("yejibao_enrollment_oldest_due_seconds", "Age of the oldest step that is due and not opened.")
def oldest_due_seconds(now: datetime) -> Iterator[tuple[dict[str, str], float]]:
    yield {}, oldest_due_enrollment(now)["oldest_due_seconds"]


@health.gauge("yejibao_tasks", "Open follow-up tasks; overdue ones are open too.")
def open_tasks(now: datetime) -> Iterator[tuple[dict[str, str], float]]:
    overdue, held = Q(due_at__lt=now), Q(held_at__isnull=False)
    rows = Task.objects.filter(state=Task.State.OPEN)
    counted = rows.aggregate(open=Count("pk"), overdue=Count("pk", filter=overdue), held=Count("pk", filter=held))
    for state, number in counted.items():
        yield {"state": state}, number
