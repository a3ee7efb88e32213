"""What the inbox tells /statusz, /metrics and the health page."""

import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import redis
from django.core.cache import cache
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


LIVE_HOURS = 2  # what is older has ended, but for what is tried again each hour: and that has a gauge of its own
SERIES = 200


@health.figures("inbox")
def figures(now: datetime) -> Iterator[health.Family]:
    """Callbacks of the last day by kind and state: what nobody wants is seen here before somebody misses it.

    Hours that are over are counted once and kept; a scrape counts the last two. Without Redis it shows these alone.
    """
    hour = now.replace(minute=0, second=0, microsecond=0)
    live = hour - timedelta(hours=LIVE_HOURS - 1)
    past = {f"inbox-hour:{int(at.timestamp())}": at for at in (live - timedelta(hours=back) for back in range(1, 23))}
    totals: Counter[tuple[str, str]] = Counter()
    since = live
    kept: dict[str, Any] | None = None
    with contextlib.suppress(redis.RedisError):
        kept = cache.get_many(past)
    if kept is not None:
        since = min((at for key, at in past.items() if key not in kept), default=live)
    counted: dict[datetime, list[tuple[str, str, int]]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT date_trunc('hour', received_at), kind, state, count(*) FROM wecom_inboxentry"
            " WHERE received_at >= %s GROUP BY 1, 2, 3",
            [since],
        )
        for at, kind, state, number in cursor.fetchall():
            counted[at].append((kind, state, number))
    fresh = {key: counted.get(at, []) for key, at in past.items() if kept is not None and key not in kept}
    if fresh:
        with contextlib.suppress(redis.RedisError):
            cache.set_many(fresh, 26 * 3600)
    hours = [rows for at, rows in counted.items() if at >= live]
    for rows in (*hours, *(kept or {}).values(), *fresh.values()):
        for kind, state, number in rows:
            totals[kind, state] += number
    yield health.Family(
        "yejibao_inbox_entries", "Callbacks of the last day, by kind and state.",
        [({"kind": kind or "unreadable", "state": state}, number) for (kind, state), number in sorted(totals.most_common(SERIES))],
    )  # fmt: skip


@health.figures("inbox_refused", needs_database=False)
def refusals(now: datetime) -> Iterator[health.Family]:
    """Requests that were turned away: somebody forges, or a key in the console is another than ours."""
    yield health.Family(
        "yejibao_inbox_refused", "Callbacks turned away today and yesterday, by reason.",
        [({"reason": reason}, number) for reason, number in sorted(refused(now).items())],
    )  # fmt: skip
