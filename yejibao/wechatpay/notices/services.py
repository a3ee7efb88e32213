"""All writes to the notices: taking in, working off, trying again, tidying up."""

import hashlib
import json
import logging
from collections import Counter
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from yejibao.core import audit, clock
from yejibao.core.errors import Conflict
from yejibao.core.personal import encrypt
from yejibao.core.scope import Actor
from yejibao.core.sql import is_deadlock

from ..gateway import read_payment, read_refund
from ..models import PayNotice
from ..services.refunds import take_refund
from ..services.settling import take_payment
from .crypto import Notice

log = logging.getLogger(__name__)

State = PayNotice.State
MAX_ATTEMPTS = 5
PAUSES = (timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=5), timedelta(hours=1))
BATCH = 20
LEASE = timedelta(minutes=2)
TEXT_KEPT, DIGEST_KEPT = timedelta(days=30), timedelta(days=400)  # so long a notice sent again stays dead

NIGHTS = timedelta(days=7)  # tidying may have been cut off, or not have run

_INSERT = """
INSERT INTO wechatpay_paynotice (digest, notice_id, event_type, number, received_at, state, attempts, next_at, error, body)
VALUES (%s, %s, %s, %s, %s, 'waiting', 0, %s, '', %s) ON CONFLICT DO NOTHING RETURNING id
"""
_CLAIM = """
WITH due AS (
    SELECT id FROM wechatpay_paynotice WHERE state = 'waiting' AND next_at <= %(now)s
    ORDER BY next_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE wechatpay_paynotice n SET next_at = %(until)s, attempts = n.attempts + 1 FROM due WHERE n.id = due.id RETURNING n.id
"""


def take_in(told: Notice, *, now: datetime) -> bool:
    """Store a genuine notice; return False when it is known already. One statement."""
    number = told.facts.get("out_refund_no") or told.facts.get("out_trade_no")
    values = [
        hashlib.sha256(told.plain).digest(), told.notice_id, told.event_type, number if _is_number(number) else "", now, now,
        encrypt(told.plain.decode(), column="wechatpay_paynotice.body"),
    ]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, values)
        return cursor.fetchone() is not None


def _is_number(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 32 and value.isascii() and value.isprintable()


def work_off(*, now: datetime, seconds: float = 20.0) -> dict[str, int]:
    """Work off what is due until nothing is or time is up. Returns counts by how it ended."""
    tally: Counter[str] = Counter()
    deadline = clock.monotonic() + seconds
    while clock.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(_CLAIM, {"now": now, "until": now + LEASE, "limit": BATCH})
            ids = sorted(row[0] for row in cursor.fetchall())
        if not ids:
            break
        for notice in PayNotice.objects.filter(pk__in=ids).order_by("pk"):
            tally[_work(notice, now=now)] += 1
    return dict(tally)


def _work(notice: PayNotice, *, now: datetime) -> str:
    try:
        with transaction.atomic():
            state, why = _take(notice, now=now)
            _end(notice, state, now=now, error=why)
        return str(state)
    except Exception as error:
        # Whatever goes wrong is this notice's alone; the order is asked for by the tick all the same.
        if not is_deadlock(error):
            log.warning("notice %s failed (try %s)", notice.pk, notice.attempts, exc_info=error)
        if notice.attempts >= MAX_ATTEMPTS:
            _end(notice, State.PARKED, now=now, error=type(error).__name__)
            return "parked"
        PayNotice.objects.filter(pk=notice.pk, state=State.WAITING).update(
            next_at=now + PAUSES[notice.attempts - 1], error=type(error).__name__[:64]
        )
        return "failed"


def _take(notice: PayNotice, *, now: datetime) -> tuple[str, str]:
    """Hand a notice on; return the state it ends in, and why."""
    facts = json.loads(notice.body)
    try:
        if notice.event_type.startswith("TRANSACTION."):
            order = take_payment(read_payment(facts), by="notice", now=now)
            return _ended(order.trouble if order else None)
        if notice.event_type.startswith("REFUND."):
            refund = take_refund(read_refund(facts), by="notice", now=now)
            return _ended(("amount" if refund.error == "MISFIT" else "") if refund else None)
    except ValueError:
        return State.UNHANDLED, "unreadable"
    return State.UNHANDLED, "unknown kind"


def _ended(trouble: str | None) -> tuple[str, str]:
    if trouble is None:
        return State.UNHANDLED, "no such number"
    return (State.PARKED, f"misfit {trouble}") if trouble else (State.DONE, "")


def _end(notice: PayNotice, state: str, *, now: datetime, error: str) -> None:
    PayNotice.objects.filter(pk=notice.pk, state=State.WAITING).update(state=state, done_at=now, error=error[:64])


# ---------------------------------------------------------------- a person decides


@transaction.atomic
def try_notice_again(notice_id: int, *, actor: Actor, now: datetime) -> None:
    """Work a notice off once more that was set aside. Safe: whoever is told compares with what is known."""
    notice = PayNotice.objects.select_for_update().get(pk=notice_id)
    if notice.state not in (State.PARKED, State.UNHANDLED) or not notice.body:
        raise Conflict(_("这条通知不用再处理"))
    PayNotice.objects.filter(pk=notice.pk).update(state=State.WAITING, attempts=0, next_at=now, done_at=None, error="")
    audit.record(actor, "pay.notice_again", notice, after={"kind": notice.event_type, "error": notice.error})


def tidy_up(*, now: datetime) -> dict[str, int]:
    """Clear texts after a month, delete digests after 400 days. Nightly; a month's notices are few enough for one statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE wechatpay_paynotice SET body = '' WHERE received_at < %s AND received_at >= %s AND body <> ''"
            " AND state IN ('done', 'unhandled')",
            [now - TEXT_KEPT, now - TEXT_KEPT - NIGHTS],
        )
        cleared = cursor.rowcount
    gone, _each = PayNotice.objects.exclude(state=State.WAITING).filter(received_at__lt=now - DIGEST_KEPT).delete()
    return {"cleared": cleared, "deleted": gone}
