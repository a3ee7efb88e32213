"""Whether the boards' figures keep up, and the day's figures of the whole brand for /metrics."""

from datetime import datetime, timedelta

from django.db import connection

from yejibao.core import clock, health

from .models import FiguresRun

STALE = timedelta(minutes=5)  # the job comes each minute
STUCK = timedelta(minutes=30)


@health.sign("boards")
def boards(now: datetime) -> health.Facts:
    """When the figures were last counted."""
    ran_at = FiguresRun.objects.filter(pk=1).values_list("ran_at", flat=True).first()
    age = now - ran_at if ran_at else timedelta()
    return {
        "state": "down" if age > STUCK else "slow" if age > STALE else "ok",
        "counted_at": ran_at,
        "age_seconds": round(age.total_seconds()),
        "since": ran_at,
    }


@health.figures("boards")
def board_figures(now: datetime) -> list[health.Family]:
    """The age of the figures, marks that wait, and today's tasks from the row of the whole brand."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT (SELECT ran_at FROM tasks_figuresrun WHERE id = 1),
                (SELECT count(*) FROM (SELECT 1 FROM tasks_daymark LIMIT %(most)s) marks),
                coalesce(sum(done_count), 0), coalesce(sum(overdue_count), 0), coalesce(sum(upcoming_count), 0),
                coalesce(sum(expired_count), 0), coalesce(sum(held_count), 0)
            FROM tasks_unitday
            WHERE unit_id = (SELECT id FROM guides_orgunit WHERE level = 'hq' ORDER BY id LIMIT 1) AND day = %(today)s
            """,
            {"today": clock.local_day(now), "most": health.COUNTED},
        )
        ran_at, marks, *counts = cursor.fetchone()
    states = ("done", "overdue", "upcoming", "expired", "held")
    return [
        health.Family(
            "yejibao_boards_age_seconds", "Seconds since the boards' figures were counted.",
            [({}, max(0.0, (now - ran_at).total_seconds()))] if ran_at else [],
        ),
        health.Family("yejibao_boards_marks", "Changed days of stores that wait to be counted.", [({}, marks)]),
        health.Family(
            "yejibao_tasks_today", "Tasks due today, as the boards last counted them.",
            [({"state": state}, count) for state, count in zip(states, counts, strict=True)],
        ),
    ]  # fmt: skip
