"""Daily reconciliation: what a source says it sent, what came, what was taken over and what was refused."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from django.db import connection

from yejibao.intake.models import Source, SourceDay

BACK = timedelta(days=3)  # a batch may end days after it came


def count_days(*, today: date, since: date | None = None) -> int:
    """Count the batches of the last days anew and return how many rows of sums were written."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO intake_sourceday (source_id, kind, day, received, committed, refused)
            SELECT source_id, kind, day, sum(CASE WHEN state = 'done' THEN row_count ELSE hand END),
                sum(created_count + changed_count + same_count), sum(refused_count)
            FROM intake_batch WHERE day BETWEEN %(since)s AND %(today)s AND state IN ('done', 'committing', 'cancelled')
                AND way <> 'retry'
            GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
            ON CONFLICT (source_id, kind, day) DO UPDATE SET
                received = excluded.received, committed = excluded.committed, refused = excluded.refused
            """,
            {"since": since or today - BACK, "today": today},
        )
        return cursor.rowcount


def tell_count(source: Source, *, kind: str, day: date, rows: int, now: datetime) -> SourceDay:
    """Note how many rows a source says it sent on a day; the last word counts."""
    told, _created = SourceDay.objects.update_or_create(
        source=source, kind=kind, day=day, defaults={"told": rows, "told_at": now}
    )
    return told
