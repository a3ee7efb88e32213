"""Whether data comes in whole: days that do not add up, files that stand still, rows nobody looks at."""

from datetime import datetime, time, timedelta

from django.db import connection

from yejibao.core import clock, health

STANDS_STILL = timedelta(minutes=5)
TOLD_BY = time(10)  # by then a source has told of the day before
LOOKED_AT = timedelta(days=3)

# A day that does not add up: told and received differ, a row is neither in nor refused, or nothing was told in time.
BREAK = """
    (d.told IS NOT NULL AND d.told <> d.received)
    OR d.received <> d.committed + d.refused
    OR (s.tells_counts AND d.told IS NULL AND d.day < %(told_until)s)
"""


def told_until(now: datetime) -> object:
    """Return the first day of which nobody need have told yet."""
    today = clock.local_day(now)
    return today if now.astimezone(clock.SHANGHAI).time() >= TOLD_BY else today - timedelta(days=1)


@health.sign("intake")
def intake(now: datetime) -> health.Facts:
    """Count breaks of the last week (today is still coming in), files that stand still and rows that wait too long."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT
                (SELECT count(*) FROM intake_sourceday d JOIN intake_source s ON s.id = d.source_id
                 WHERE d.day >= %(week)s AND d.day < %(today)s AND ({BREAK})),
                (SELECT count(*) FROM intake_batch WHERE state IN ('staging', 'checking', 'committing') AND way = 'file'
                 AND moved_at < %(still)s),
                (SELECT count(*) FROM (SELECT 1 FROM intake_refusedrow WHERE state = 'open' AND refused_at < %(old)s
                 LIMIT {health.COUNTED}) old)
            """,
            {
                "week": clock.local_day(now) - timedelta(days=7),
                "today": clock.local_day(now),
                "told_until": told_until(now),
                "still": clock.system_now() - STANDS_STILL,
                "old": now - LOOKED_AT,
            },
        )
        breaks, still, old = cursor.fetchone()
    is_slow = bool(breaks or still or old)
    return {
        "ok": not is_slow,
        "state": "slow" if is_slow else "ok",
        "breaks": breaks,
        "stands_still": still,
        "waiting_rows": old,
    }
