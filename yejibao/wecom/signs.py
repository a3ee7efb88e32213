"""What the door tells of itself: how old the token is, which calls the platform holds us off, how much is used up."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import connection

from yejibao.core import health

from . import gateway

WATCHED = ("message/send", "auth/getuserinfo", "user/get", "externalcontact/get")
NEARLY_USED = 0.8
MANY_REFUSED = 10  # messages in repeat; fewer is weather
WRONG_SECRET = {"40001", "40013", "40091"}  # no token to be had: it heals by a person's hand


@health.sign("wecom")
def _door(now: datetime) -> health.Facts:
    door = gateway.default()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM clock_timestamp() - changed_at)::float8 FROM wecom_credential WHERE key = %s",
            [door.app.key("token")],
        )
        row = cursor.fetchone()
        # What waits because of an answer, or because none came. Such rows come again within ten minutes.
        cursor.execute(
            """
            SELECT CASE WHEN is_unknown THEN 'unknown' ELSE coalesce(errcode::text, 'unanswered') END, count(*), min(due_at)
            FROM (
                SELECT first_unknown_at IS NOT NULL AS is_unknown, errcode, errmsg, due_at FROM core_outboxmessage
                WHERE state IN ('pending', 'unknown') AND next_at <= %s ORDER BY next_at LIMIT %s
            ) moving
            WHERE is_unknown OR errcode IS NOT NULL OR errmsg <> '' GROUP BY 1
            """,
            [now + timedelta(minutes=10), health.COUNTED],
        )
        waiting = cursor.fetchall()
    refused = {code: count for code, count, _ in waiting}
    held_off = {api: round(left) for api in WATCHED if (left := door.budgets.held_off(api, now=now)) > 0}
    used = {api: round(door.budgets.used_share(api, now=now), 3) for api in WATCHED}
    is_ok = not held_off and max(used.values()) < NEARLY_USED and sum(refused.values()) < MANY_REFUSED
    return {
        "state": "down" if WRONG_SECRET & refused.keys() else "ok" if is_ok else "slow",
        "refused": refused,
        "since": min((since for _, _, since in waiting), default=None),
        "token_age_seconds": round(row[0]) if row else None,
        "held_off_seconds": held_off,
        "used_share": {api: share for api, share in used.items() if share},
    }


@health.figures("wecom")
def _figures(now: datetime) -> Iterator[health.Family]:
    budgets = gateway.default().budgets
    yield health.Family(
        "yejibao_wecom_held_off_seconds", "For how long the platform's limit still keeps us from an API.",
        [({"api": api}, budgets.held_off(api, now=now)) for api in WATCHED],
    )  # fmt: skip
    yield health.Family(
        "yejibao_wecom_budget_used_share", "Share used of the fullest of an API's budgets: minute, hour, day.",
        [({"api": api}, budgets.used_share(api, now=now)) for api in WATCHED],
    )  # fmt: skip
