"""All writes to the inbox: taking in, claiming, settling, replaying, tidying up. What works it off is `working.py`."""

import hashlib
import logging
import re
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from yejibao.core import audit
from yejibao.core.errors import Forbidden, Invalid
from yejibao.core.outbox.nudge import nudge
from yejibao.core.personal import encrypt
from yejibao.core.scope import Actor
from yejibao.core.sql import id_ranges

from .models import InboxEntry
from .registry import Facts, kind_name
from .xml import read_event

log = logging.getLogger(__name__)

State = InboxEntry.State
NUDGE = "inbox"
MAX_ATTEMPTS = 5
LEASE_SECONDS = 120
# Between the tries of an entry that failed: 5 seconds to an hour, so that a platform which is away for long is outlived.
PAUSES = (timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=5), timedelta(hours=1))
SETTLING = {"change_external_chat": timedelta(seconds=2)}  # read sooner, a group may still show what it was before
URGENT, SOON, USUAL, REPLAYED = 0, 1, 5, 9
TEXT_KEPT = timedelta(days=30)  # of entries that are done
TROUBLE_KEPT = timedelta(days=90)  # of those nobody wanted
DIGEST_KEPT = timedelta(days=400)  # so long a callback sent again stays dead
REPLAY_AT_ONCE = 20_000
NIGHTS = timedelta(days=7)  # tidying may have been cut off, or not have run
TIDY_ROWS = 5_000
TABLE = "wecom_inboxentry"
_NAME = re.compile(r"[\w.-]{1,40}", re.ASCII)


# ---------------------------------------------------------------- taking in

_INSERT = """
INSERT INTO wecom_inboxentry (source, digest, kind, happened_at, received_at, state, priority, attempts, next_at, error, body)
VALUES (%s, %s, %s, %s, %s, %s, %s, 0, %s, '', %s)
ON CONFLICT (source, digest) DO NOTHING RETURNING id
"""


def take_in(source: str, message: bytes, *, now: datetime) -> int | None:
    """Store a decrypted callback; return its id, None if it is known already. One statement, and a hint if it is urgent."""
    facts = read_event(message)
    kind = kind_of(facts) if facts else ""
    state = State.WAITING if kind else State.UNHANDLED
    priority = _priority(facts) if facts else USUAL
    values = [
        source, hashlib.sha256(message).digest(), kind, happened_at(facts) if facts else None, now, state,
        priority, now + SETTLING.get(kind.partition("/")[0], timedelta()), encrypt(message.decode(), column="wecom_inboxentry.body"),
    ]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, values)
        row = cursor.fetchone()
    if row is None:
        return None
    if kind and priority <= SOON:  # for the others the workers' own look each second is soon enough
        transaction.on_commit(lambda: nudge(NUDGE), robust=True)
    return int(row[0])


def kind_of(facts: Facts) -> str:
    """Return the kind of a callback: event and ChangeType, `message/text` for a message, "" for neither."""
    message_type, event, change = (facts.get(name) for name in ("MsgType", "Event", "ChangeType"))
    if isinstance(message_type, str) and message_type != "event":
        event, change = "message", message_type
    if not isinstance(event, str) or not _NAME.fullmatch(event):
        return ""
    return kind_name(event, change if isinstance(change, str) and _NAME.fullmatch(change) else "")


def happened_at(facts: Facts) -> datetime | None:
    """Return CreateTime as an instant, None where it is no time."""
    text = facts.get("CreateTime")
    if not isinstance(text, str) or not re.fullmatch(r"[0-9]{9,10}", text, re.ASCII):
        return None
    return datetime.fromtimestamp(int(text), UTC)


def _priority(facts: Facts) -> int:
    if facts.get("WelcomeCode"):
        return URGENT
    return SOON if str(facts.get("Event", "")).casefold().startswith("template_card") else USUAL


# ---------------------------------------------------------------- working off

_CLAIM = """
WITH due AS (
    SELECT id FROM wecom_inboxentry
    WHERE state = 'waiting' AND claim_token IS NULL AND next_at <= %(now)s AND priority <= %(most)s
      AND (attempts > 0) = %(again)s
    ORDER BY priority, next_at FOR UPDATE SKIP LOCKED LIMIT %(limit)s
)
UPDATE wecom_inboxentry e SET claim_token = %(token)s, lease_until = clock_timestamp() + %(lease)s * interval '1 second'
FROM due WHERE e.id = due.id RETURNING e.id
"""


def claim(*, now: datetime, limit: int, urgent_only: bool = False, again: bool = False) -> list[InboxEntry]:
    """Take due entries in hand for two minutes and return them, urgent and oldest first.

    `again` takes those that failed before. One at a time: what kills its worker must not take others along.
    """
    token = uuid.uuid4()
    with connection.cursor() as cursor:
        cursor.execute(
            _CLAIM,
            {
                "now": now, "token": token, "limit": 1 if again else limit, "again": again, "lease": LEASE_SECONDS,
                "most": SOON if urgent_only else REPLAYED,
            },
        )  # fmt: skip
        ids = [row[0] for row in cursor.fetchall()]
    return list(InboxEntry.objects.filter(pk__in=ids).order_by("priority", "next_at", "pk")) if ids else []


def settle(entries: Sequence[InboxEntry], state: str, *, now: datetime, error: str = "") -> int:
    """Note how entries ended. Those whose lease was lost meanwhile stay as they are. Returns how many."""
    return _held(entries).update(
        state=state, done_at=now, claim_token=None, lease_until=None, error=error[:255]
    )  # fmt: skip


def give_back(entries: Sequence[InboxEntry], *, next_at: datetime, error: str = "") -> int:
    """Put entries back that could not be tried, without counting it as a try."""
    return _held(entries).update(claim_token=None, lease_until=None, next_at=next_at, error=error[:255])


def note_failure(entry: InboxEntry, error: str, *, now: datetime) -> bool:
    """Count a failed try; the fifth sets the entry aside. Returns whether it did."""
    attempts = entry.attempts + 1
    facts: dict[str, Any] = {"attempts": attempts, "error": error[:255], "claim_token": None, "lease_until": None}
    if attempts >= MAX_ATTEMPTS:
        facts |= {"state": State.PARKED, "done_at": now}
    else:
        facts["next_at"] = now + PAUSES[attempts - 1]
    _held([entry]).update(**facts)
    return attempts >= MAX_ATTEMPTS


def _held(entries: Sequence[InboxEntry]) -> Any:
    tokens = {entry.claim_token for entry in entries}
    return InboxEntry.objects.filter(
        pk__in=[entry.pk for entry in entries], state=State.WAITING, claim_token__in=tokens
    )


def repair(*, now: datetime) -> dict[str, int]:
    """Free what a worker took in hand and never ended; that counts as a try. Returns counts."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            WITH lost AS (
                SELECT id FROM wecom_inboxentry WHERE state = 'waiting' AND claim_token IS NOT NULL
                  AND lease_until < clock_timestamp() FOR UPDATE SKIP LOCKED
            )
            UPDATE wecom_inboxentry e SET claim_token = NULL, lease_until = NULL, attempts = e.attempts + 1,
                error = 'the worker was lost', next_at = %(now)s,
                state = CASE WHEN e.attempts + 1 >= %(most)s THEN 'parked' ELSE 'waiting' END,
                done_at = CASE WHEN e.attempts + 1 >= %(most)s THEN %(now)s END
            FROM lost WHERE e.id = lost.id RETURNING e.state
            """,
            {"now": now, "most": MAX_ATTEMPTS},
        )
        states = [row[0] for row in cursor.fetchall()]
    if "waiting" in states:
        nudge(NUDGE)
    counts = {"freed": states.count("waiting"), "parked": states.count("parked")}
    return {name: number for name, number in counts.items() if number}


# ---------------------------------------------------------------- a person decides


@transaction.atomic
def replay(
    *, first: int, last: int, actor: Actor, now: datetime, kinds: Sequence[str] = (), states: Sequence[str] = (),
    since: datetime | None = None, until: datetime | None = None, source: str = "",
) -> int:  # fmt: skip
    """Work off entries again, by range of ids (both included); the other words narrow it. Returns how many.

    Safe at any time: whoever is told compares with what is known. Entries whose text is gone stay as they are, and so
    does what waits already. Raises Invalid for a range that is none or too wide to be meant.
    """
    if not actor.has_role("hq_operator", "sys_admin"):
        raise Forbidden(permission="inbox.replay")
    if not 0 < first <= last:
        raise Invalid(errors=[{"field": "first", "code": "range", "message": str(_("编号范围不对：起始要小于结束"))}])
    rows = InboxEntry.objects.filter(pk__range=(first, last)).exclude(state=State.WAITING).with_text()
    if kinds:
        rows = rows.filter(kind__in=kinds)
    if states:
        rows = rows.filter(state__in=states)
    if since:
        rows = rows.filter(received_at__gte=since)
    if until:
        rows = rows.filter(received_at__lt=until)
    if source:
        rows = rows.filter(source=source)
    ids = list(rows.order_by("pk").select_for_update().values_list("pk", flat=True)[: REPLAY_AT_ONCE + 1])
    if len(ids) > REPLAY_AT_ONCE:
        raise Invalid(errors=[{"field": "last", "code": "range", "message": str(_("一次最多重放 2 万条，请缩小范围"))}])
    if ids:
        narrowed = {"source": source, "since": since and since.isoformat(), "until": until and until.isoformat()}
        InboxEntry.objects.filter(pk__in=ids).update(
            state=State.WAITING, attempts=0, next_at=now, done_at=None, error="", priority=REPLAYED
        )
        audit.record(
            actor, "inbox.replayed", InboxEntry._meta.label,
            after={"first": first, "last": last, "kinds": list(kinds), "states": list(states), "count": len(ids)}
            | {name: value for name, value in narrowed.items() if value},
        )  # fmt: skip
        transaction.on_commit(lambda: nudge(NUDGE), robust=True)
    return len(ids)


# ---------------------------------------------------------------- keeping


def tidy_up(*, now: datetime) -> dict[str, int]:
    """Clear texts nobody needs any more and delete digests after 400 days. Nightly, a range of ids a statement.

    Cut off, it begins again the next night: each looks back over what NIGHTS nights may have left.
    """
    month, quarter = now - TEXT_KEPT, now - TROUBLE_KEPT
    cleared = _clear(month, "state = 'done'") + _clear(quarter, "state IN ('done', 'unhandled')")
    gone = 0
    for first, last in id_ranges(TABLE, "received_at", since=None, until=now - DIGEST_KEPT, step=TIDY_ROWS):
        gone += _run(
            f"DELETE FROM {TABLE} WHERE id BETWEEN %s AND %s AND received_at < %s AND state <> 'waiting'",
            [first, last, now - DIGEST_KEPT],
        )
    return {"cleared": cleared, "deleted": gone}


def _clear(until: datetime, which: str) -> int:
    return sum(
        _run(
            f"UPDATE {TABLE} SET body = '' WHERE id BETWEEN %s AND %s AND received_at < %s AND body <> '' AND {which}",
            [first, last, until],
        )
        for first, last in id_ranges(TABLE, "received_at", since=until - NIGHTS, until=until, step=TIDY_ROWS)
    )


def _run(sql: str, params: list[Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.rowcount
