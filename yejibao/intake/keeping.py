"""How long what came in is kept: rows that were refused may hold personal data, so they go a while after they are settled."""

from datetime import datetime, timedelta

from django.db import connection

SETTLED, STALE, QUIET, UNATTENDED = (timedelta(days=days) for days in (30, 7, 60, 180))
AT_ONCE = 10_000


def tidy(*, now: datetime) -> dict[str, int]:
    """Delete settled rows after 30 days, files nobody confirmed after 7, and posts of which all is done after 60."""
    return {
        "rows": _delete("intake_refusedrow", "state <> 'open' AND settled_at < %s", now - SETTLED),
        "unattended": _close_unattended(now),
        "files": _cancel_stale(now),
        "batches": _delete(
            "intake_batch",
            "state IN ('done', 'cancelled', 'failed') AND created_at < %s"
            " AND NOT EXISTS (SELECT 1 FROM intake_refusedrow r WHERE r.batch_id = intake_batch.id)",
            now - QUIET,
        ),
    }


def _close_unattended(now: datetime) -> int:
    """Personal data nobody needed for half a year does not wait for ever in a queue of errors."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE intake_refusedrow SET state = 'closed', settled_at = %s, reason = '半年没有处理，自动关闭'"
            " WHERE state = 'open' AND refused_at < %s",
            [now, now - UNATTENDED],
        )
        return cursor.rowcount


def _delete(table: str, condition: str, before: datetime) -> int:
    count = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE {condition} LIMIT {AT_ONCE})", [before]
            )
            count += cursor.rowcount
            if cursor.rowcount < AT_ONCE:
                return count


def _cancel_stale(now: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH stale AS (
                UPDATE intake_batch SET state = 'cancelled', done_at = %(now)s, hand = 0, created_count = 0, changed_count = 0,
                    same_count = 0, refused_count = 0, problem = '一周没有人确认'
                WHERE state = 'checked' AND created_at < %(before)s RETURNING id
            ), files AS (DELETE FROM intake_upload WHERE batch_id IN (SELECT id FROM stale))
            DELETE FROM intake_stagedrow WHERE batch NOT IN (
                SELECT id FROM intake_batch WHERE state IN ('staging', 'checking', 'checked', 'committing')
            ) OR batch IN (SELECT id FROM stale)
            """,
            {"now": now, "before": now - STALE},
        )
        return cursor.rowcount
