"""The tick: orders and refunds that are due are asked for, whatever notices came or did not."""

import logging
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import connection

from yejibao.core import clock

from ..models import PayOrder, PayRefund
from . import refunds, settling

log = logging.getLogger(__name__)

BATCH = 20
LEASE = timedelta(seconds=60)  # who claimed a row has so long; then it is due again

_CLAIM = """
WITH due AS (
    SELECT id FROM {table} WHERE {column} <= %(now)s ORDER BY {column} LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE {table} t SET {column} = %(until)s, {count} = t.{count} + 1{more} FROM due WHERE t.id = due.id RETURNING t.id
"""
_ORDERS = _CLAIM.format(table="wechatpay_payorder", column="next_look_at", count="looks", more=", looked_at = %(now)s")
_REFUNDS = _CLAIM.format(table="wechatpay_payrefund", column="next_try_at", count="tries", more="")


def poll(*, now: datetime, seconds: float = 25.0) -> dict[str, int]:
    """Ask for what is due until nothing is, time is up, or the platform does not answer. Returns counts."""
    tally: Counter[str] = Counter()
    deadline = clock.monotonic() + seconds
    _drain(_ORDERS, lambda pk: _look(pk, now), "orders", tally, now=now, deadline=deadline)
    _drain(_REFUNDS, lambda pk: _send(pk, now), "refunds", tally, now=now, deadline=deadline)
    return dict(tally)


def _drain(
    claim: str, act: Callable[[int], bool], name: str, tally: Counter[str], *, now: datetime, deadline: float
) -> None:
    while clock.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(claim, {"now": now, "until": now + LEASE, "limit": BATCH})
            ids = sorted(row[0] for row in cursor.fetchall())
        if not ids:
            return
        for pk in ids:
            if clock.monotonic() >= deadline:
                return  # the lease brings the rest back
            if not act(pk):
                tally["unanswered"] += 1
                return  # the others would wait as long for nothing
            tally[name] += 1


def _look(pk: int, now: datetime) -> bool:
    order = PayOrder.objects.get(pk=pk)
    if not settling.ask(order, now=now):
        return False
    PayOrder.objects.filter(pk=pk, state__in=PayOrder.OPEN).update(
        next_look_at=settling.next_look(now, order.looks, order.expires_at, way=order.way)
    )
    return True


def _send(pk: int, now: datetime) -> bool:
    return refunds.go_on(PayRefund.objects.select_related("order").get(pk=pk), now=now)
