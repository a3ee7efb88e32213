"""What the inbox tells /statusz, /metrics and the health page."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import connection

from yejibao.core import health

from .queries import refused


@health.queue("inbox")
def inbox(now: datetime) -> health.Queue:
    """Callbacks that wait and those set aside; the lag is that of the newest 200."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH waiting AS MATERIALIZED (
                SELECT next_at, received_at, attempts FROM wecom_inboxentry WHERE state = 'waiting' AND next_at <= %(soon)s
                ORDER BY priority, next_at LIMIT %(most)s
            ), aside AS MATERIALIZED (
                SELECT done_at FROM wecom_inboxentry WHERE state = 'parked'
                ORDER BY id DESC LIMIT %(most)s
            )
            SELECT count(*) FILTER (WHERE next_at <= %(now)s), min(next_at) FILTER (WHERE next_at <= %(now)s),
                count(*) FILTER (WHERE attempts > 0), coalesce(max(attempts), 0),
                (SELECT count(*) FROM aside), (SELECT min(done_at) FROM aside),
                (SELECT extract(epoch FROM percentile_disc(0.9) WITHIN GROUP (ORDER BY done_at - received_at))::float8
                 FROM (SELECT state, done_at, received_at FROM wecom_inboxentry ORDER BY id DESC LIMIT 200) newest
                 WHERE state = 'done')
            FROM waiting
            """,
            {"now": now, "soon": now + timedelta(hours=2), "most": health.COUNTED},
        )
        due, oldest, retrying, attempts, parked, aside, lag = cursor.fetchone()
    return health.Queue("", due, oldest, lag, retrying, attempts, parked=parked, aside_since=aside)


@health.figures("inbox")
def figures(now: datetime) -> Iterator[health.Family]:
    """Callbacks of the last day by kind and state: what nobody wants is seen here before somebody misses it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT kind, state, count(*) FROM wecom_inboxentry WHERE received_at > %s GROUP BY 1, 2 ORDER BY 1, 2 LIMIT 200",
            [now - timedelta(days=1)],
        )
        samples = [
            ({"kind": kind or "unreadable", "state": state}, number) for kind, state, number in cursor.fetchall()
        ]
    yield health.Family("yejibao_inbox_entries", "Callbacks of the last day, by kind and state.", samples)


@health.figures("inbox_refused", needs_database=False)
def refusals(now: datetime) -> Iterator[health.Family]:
    """Requests that were turned away: somebody forges, or a key in the console is another than ours."""
    yield health.Family(
        "yejibao_inbox_refused", "Callbacks turned away today and yesterday, by reason.",
        [({"reason": reason}, number) for reason, number in sorted(refused(now).items())],
    )  # fmt: skip
