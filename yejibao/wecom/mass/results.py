"""Reads back what became of a mass send: by page, a page a transaction, going on after the last one that was written."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from yejibao.core import clock

from .. import groupsends, moments
from ..errors import GatewayError
from ..gateway import Gateway
from ..groupsends import Outcome, SenderState, TargetState
from .models import MassSend, MassTarget
from .services import held_facts, pause_of, settle

log = logging.getLogger(__name__)

State = MassSend.State
DEAD_CURSOR = 50100
GONE = (*groupsends.UNKNOWN_SEND, *moments.UNKNOWN_MOMENT)
# How often results are read, by the age of the send; after a week nobody confirms any more.
PAUSES = (
    (timedelta(hours=2), timedelta(minutes=10)),
    (timedelta(days=1), timedelta(hours=1)),
    (timedelta(days=7), timedelta(hours=12)),
)
IN_HAND_SECONDS = 60.0  # of the lease's 120
STATES = {
    Outcome.WAITING: MassTarget.State.WAITING, Outcome.SENT: MassTarget.State.SENT,
    Outcome.NOT_A_FRIEND: MassTarget.State.NOT_FRIEND, Outcome.QUOTA_USED: MassTarget.State.OVER_QUOTA,
}  # fmt: skip

_SENDERS = """
INSERT INTO wecom_masssender AS s (send_id, userid, has_sent, sent_at, is_read, is_unusable)
SELECT %(send)s, userid, has_sent, at, false, false
FROM unnest(%(userids)s::text[], %(has_sent)s::bool[], %(at)s::timestamptz[]) AS r(userid, has_sent, at)
ON CONFLICT (send_id, userid) DO UPDATE SET has_sent = excluded.has_sent, sent_at = coalesce(excluded.sent_at, s.sent_at)
WHERE (s.has_sent, s.sent_at) IS DISTINCT FROM (excluded.has_sent, coalesce(excluded.sent_at, s.sent_at))
"""
_TARGETS = """
INSERT INTO wecom_masstarget AS t (send_id, target, userid, state, at)
SELECT %(send)s, target, %(userid)s, state, at
FROM unnest(%(targets)s::text[], %(states)s::text[], %(at)s::timestamptz[]) AS r(target, state, at)
ON CONFLICT (send_id, target) DO UPDATE SET userid = excluded.userid, state = excluded.state, at = coalesce(excluded.at, t.at)
WHERE (t.userid, t.state, t.at) IS DISTINCT FROM (excluded.userid, excluded.state, coalesce(excluded.at, t.at))
"""


class LostLease(Exception):
    """Somebody else has the send in hand by now."""


def read_results(door: Gateway, send: MassSend, *, now: datetime, deadline: float) -> str:
    """Read who has confirmed, then what became of it for the customers of those who have. Returns "read" or how far it came."""
    deadline = min(deadline, clock.monotonic() + IN_HAND_SECONDS)
    try:
        while clock.monotonic() < deadline:
            if _next_page(door, send, now=now):
                return _rest(send, now=now)
    except LostLease:
        return "lost_lease"
    except GatewayError as error:
        return _stopped(send, error, now=now)
    settle(send, State.CREATED, next_at=now)
    return "reading"


def _next_page(door: Gateway, send: MassSend, *, now: datetime) -> bool:
    """Read and write one page; True at the end. `place` says which: senders first, then each one's customers by user id."""
    place = send.place or {"step": "senders", "userid": "", "cursor": ""}
    calls: Any = moments if send.kind == MassSend.Kind.MOMENT else groupsends
    if place["step"] == "senders":
        senders, cursor = calls.sender_page(door, send.platform_id, cursor=place["cursor"])
        following = place | {"cursor": cursor} if cursor else {"step": "targets", "userid": "", "cursor": ""}
        with transaction.atomic():
            _move(send, following)
            _write_senders(send, senders)
        return False
    userid = place["userid"] or _next_sender(send)
    if not userid:
        return True
    targets, cursor = calls.target_page(door, send.platform_id, userid=userid, cursor=place["cursor"])
    with transaction.atomic():
        _move(send, {"step": "targets", "userid": userid if cursor else "", "cursor": cursor})
        _write_targets(send, userid, targets)
        if not cursor:
            send.senders.filter(userid=userid).update(is_read=True)
    return False


def _next_sender(send: MassSend) -> str:
    """Return somebody who has confirmed and whose customers have not been read since."""
    unread = send.senders.filter(has_sent=True, is_read=False).order_by("userid")
    return unread.values_list("userid", flat=True).first() or ""


def _move(send: MassSend, place: dict[str, str]) -> None:
    if not MassSend.objects.filter(pk=send.pk, claim_token=send.claim_token).update(place=place):
        raise LostLease
    send.place = place


def _write_senders(send: MassSend, rows: Sequence[SenderState]) -> None:
    columns: dict[str, Any] = {"userids": [row.userid for row in rows], "has_sent": [row.has_sent for row in rows],
               "at": [row.at for row in rows]}  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_SENDERS, columns | {"send": send.pk})


def _write_targets(send: MassSend, userid: str, rows: Sequence[TargetState]) -> None:
    latest = {row.target: row for row in rows}  # a page that names somebody twice would fail as a whole
    columns: dict[str, Any] = {"targets": list(latest), "states": [STATES[row.outcome] for row in latest.values()],
               "at": [row.at for row in latest.values()]}  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_TARGETS, columns | {"send": send.pk, "userid": userid})


def _rest(send: MassSend, *, now: datetime) -> str:
    """Read to the end: again later, the more rarely the older it is; never again when all have confirmed."""
    age = now - (send.made_at or now)
    pause = next((pause for till, pause in PAUSES if age < till), None)
    waiting = send.senders.filter(has_sent=False, is_unusable=False).exists()
    is_over = pause is None or not waiting and send.senders.exists()
    settle(send, State.ENDED if is_over else State.CREATED, next_at=now + (pause or timedelta()), read_at=now, place={},
           errcode=0, error="")  # fmt: skip
    return "read"


def _stopped(send: MassSend, error: GatewayError, *, now: datetime) -> str:
    if error.code in GONE or error.code == groupsends.CANCELLED:
        settle(
            send,
            State.CANCELLED if error.code == groupsends.CANCELLED else State.ENDED,
            next_at=now,
            **held_facts(error),
        )
        return "gone"
    if error.code == DEAD_CURSOR:  # from the first page of this step on
        settle(
            send, State.CREATED, next_at=now, place=(send.place or {"step": "senders", "userid": ""}) | {"cursor": ""}
        )
        return "reading"
    usual = timedelta(seconds=15) if error.code in (groupsends.DISPATCHING, 41079) else timedelta(minutes=1)
    log.info("mass send %s: %s", send.pk, error)
    settle(send, State.CREATED, next_at=now + pause_of(error, usual=usual), **held_facts(error))
    return "put_off"
