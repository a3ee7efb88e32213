"""How many tasks stores did in the last two weeks, for the reminders of patrols: models.yaml task_completion_rate."""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import connection

from guides.patrol.reminders.facts import supply
from yejibao.core import clock

Weeks = tuple[tuple[int, int], tuple[int, int]]


@supply("member_tasks")
def weeks_of_stores(store_ids: Collection[int], *, now: datetime) -> dict[int, Weeks]:
    """Return (done, due) of the last two whole ISO weeks by store, the newer first."""
    today = clock.local_day(now)
    monday = today - timedelta(days=today.weekday())
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT store_id,
                sum(done_count - early_count) FILTER (WHERE day >= %(last)s), sum(done_count - early_count + overdue_count + expired_count) FILTER (WHERE day >= %(last)s),
                sum(done_count - early_count) FILTER (WHERE day < %(last)s), sum(done_count - early_count + overdue_count + expired_count) FILTER (WHERE day < %(last)s)
            FROM tasks_taskday WHERE store_id = ANY(%(stores)s) AND day >= %(first)s AND day < %(monday)s GROUP BY store_id
            """,
            {
                "stores": list(store_ids), "monday": monday, "last": monday - timedelta(days=7),
                "first": monday - timedelta(days=14),
            },
        )  # fmt: skip
        return {
            store: ((done or 0, due or 0), (done_before or 0, due_before or 0))
            for store, done, due, done_before, due_before in cursor.fetchall()
        }
