"""Messages that leave the house: queue, claim, settle. The calls themselves are made by `yejibao.wecom.sender`.

Claim, commit, call with no transaction open, settle under the claim token. `now` is the product's clock (a demo may turn
it); lease and fence use PostgreSQL's own `now()`.
"""

import hashlib
import logging
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from django.db import InterfaceError, OperationalError, connection, transaction

from .. import clock
from . import gate, turns
from .models import OutboxMessage

log = logging.getLogger("yejibao.outbox")

RENDER_TRIES = 5
LEASE_SECONDS = 60
LEASE_MARGIN_SECONDS = 15  # a sender gives a row back when less than this is left before a call
UNKNOWN_FOR = timedelta(hours=3)  # inside the platform's duplicate check (4 h) with room to spare
State = OutboxMessage.State


@dataclass(frozen=True)
class NewMessage:
    """A message to queue. `dedupe_key` makes a second one impossible; `subject` is read by the renderer of `kind`."""

    kind: str
    dedupe_key: str
    recipient: str
    due_at: datetime
    subject: str = ""
    not_after: datetime | None = None
    priority: int = 5


class Renderer(Protocol):
    """Turns rows into request bytes. Both run inside the claim's transaction, for a whole batch."""

    def render(self, messages: Sequence[OutboxMessage], *, now: datetime) -> dict[int, bytes | None]:
        """Return the body per message id, None where there is nothing left to tell."""

    def still_wanted(self, messages: Sequence[OutboxMessage], *, now: datetime) -> set[int]:
        """Return the ids of already rendered messages that may still go out."""


_renderers: dict[str, Renderer] = {}


def register_renderer(kind: str, renderer: Renderer) -> None:
    """Name who renders the messages of a kind."""
    _renderers[kind] = renderer


def enqueue(messages: Iterable[NewMessage]) -> int:
    """Queue messages with one statement; those whose dedupe key exists already are left as they are."""
    now, messages = clock.now(), list(messages)
    lanes = turns.lanes_of({m.recipient for m in messages})
    rows = [
        OutboxMessage(
            kind=m.kind,
            dedupe_key=m.dedupe_key,
            recipient=m.recipient,
            subject=m.subject,
            due_at=m.due_at,
            not_after=m.not_after,
            priority=m.priority,
            lane=lanes.get(m.recipient, turns.NO_LANE),
            next_at=m.due_at,
            created_at=now,
        )
        for m in messages
    ]
    OutboxMessage.objects.bulk_create(rows, ignore_conflicts=True, batch_size=2000)
    wake_after_commit()
    return len(rows)


def wake_after_commit() -> None:
    """Tell the sender to look now."""
    from .nudge import nudge

    transaction.on_commit(lambda: nudge("messages"), robust=True)


def reclaim_lost() -> int:
    """Turn claimed rows whose lease ran out to unknown: they may have left. Returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE core_outboxmessage SET state = 'unknown', claim_token = NULL, lease_until = NULL,
                   first_unknown_at = coalesce(first_unknown_at, claimed_at)
            WHERE id IN (SELECT id FROM core_outboxmessage WHERE state = 'claimed' AND lease_until < now()
                         FOR UPDATE SKIP LOCKED)
            """
        )
        return cursor.rowcount


@transaction.atomic
def claim(*, now: datetime, limit: int = 50) -> list[OutboxMessage]:
    """Claim due messages, render those that have no bytes yet, and return what is to be called right now.

    On the way: past `not_after` -> expired; unknown for more than 3 h -> parked; nothing left to tell -> cancelled.
    The rows are locked while they are rendered and written once, claimed and with their bytes.
    """
    if gate.is_shut():
        return []
    rows = turns.take(now=now, limit=limit)
    if not rows:
        return []
    called: list[OutboxMessage] = []
    for row in rows:
        row.attempts += 1
        if row.state == State.UNKNOWN and row.first_unknown_at and row.first_unknown_at < now - UNKNOWN_FOR:
            row.state = State.PARKED
        elif row.state == State.PENDING and row.not_after and row.not_after < now:
            row.state = State.EXPIRED
        else:
            row.state = State.CLAIMED
            called.append(row)
    ready = _render(called, now=now)
    _write_claims(rows, token=uuid.uuid4(), now=now)
    return sorted(ready, key=lambda row: (row.priority, row.due_at, row.pk))


def _render(rows: Sequence[OutboxMessage], *, now: datetime) -> list[OutboxMessage]:
    """Give each row its bytes and return those to be called; the others change their state."""
    ready: list[OutboxMessage] = []
    broken: dict[int, str] = {}
    for kind in {row.kind for row in rows}:
        mine = [row for row in rows if row.kind == kind]
        blank = [row for row in mine if not row.body_bytes]
        # What may have left already is resolved with the same bytes, wanted or not: that is the only safe way out.
        unsure = [row for row in mine if row.body_bytes and row.first_unknown_at]
        known = [row for row in mine if row.body_bytes and not row.first_unknown_at]
        bodies = _ask(partial(_bodies, kind, now), blank, broken)
        wanted = _ask(partial(_wanted, kind, now), known, broken)
        for row in blank:
            body = bodies.get(row.pk)
            if body is not None:
                row.body_bytes, row.body_sha = body, hashlib.sha256(body).hexdigest()
        kept = [row for row in blank if row.body_bytes] + unsure + [row for row in known if row.pk in wanted]
        ready += kept
        left = {row.pk for row in kept}
        for row in mine:
            if row.pk in broken:
                # Again in minutes; the fifth time it is parked for a person.
                row.state = State.PARKED if row.attempts >= RENDER_TRIES else State.PENDING
                row.errmsg, row.next_at = broken[row.pk], now + timedelta(minutes=row.attempts)
            elif row.pk not in left:
                row.state = State.CANCELLED
    return ready


def _write_claims(rows: Sequence[OutboxMessage], *, token: uuid.UUID, now: datetime) -> None:
    """Write what became of the rows, with one statement and one new version each."""
    for row in rows:
        if row.state == State.CLAIMED:
            row.claim_token, row.claimed_at = token, now
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE core_outboxmessage m SET
                state = r.state, attempts = r.attempts, body_bytes = r.body, body_sha = r.sha, errmsg = r.errmsg,
                next_at = r.next_at, claim_token = r.token, claimed_at = r.claimed_at,
                lease_until = CASE WHEN r.state = 'claimed' THEN now() + %s * interval '1 second' END
            FROM unnest(%s::bigint[], %s::text[], %s::int[], %s::bytea[], %s::text[], %s::text[], %s::timestamptz[],
                        %s::uuid[], %s::timestamptz[])
                 AS r(id, state, attempts, body, sha, errmsg, next_at, token, claimed_at)
            WHERE m.id = r.id
            """,
            [
                LEASE_SECONDS,
                *([getattr(row, name) for row in rows] for name in ("pk", "state", "attempts", "body_bytes", "body_sha",
                  "errmsg", "next_at", "claim_token", "claimed_at")),
            ],
        )  # fmt: skip


def _bodies(kind: str, now: datetime, rows: Sequence[OutboxMessage]) -> dict[int, bytes | None]:
    return _renderers[kind].render(rows, now=now)


def _wanted(kind: str, now: datetime, rows: Sequence[OutboxMessage]) -> dict[int, bytes | None]:
    return dict.fromkeys(_renderers[kind].still_wanted(rows, now=now))


def _ask(
    renderer: Callable[[Sequence[OutboxMessage]], dict[int, bytes | None]],
    rows: Sequence[OutboxMessage],
    broken: dict[int, str],
) -> dict[int, bytes | None]:
    """Ask a renderer about a batch; one that fails is halved until the bad row stands alone and holds nobody up."""
    if not rows:
        return {}
    try:
        with transaction.atomic():
            return renderer(rows)
    except (OperationalError, InterfaceError):
        raise  # the database is away: no row's fault
    except Exception as error:
        if len(rows) == 1:
            log.exception("outbox: message %s of kind %s cannot be rendered", rows[0].pk, rows[0].kind)
            broken[rows[0].pk] = f"render: {type(error).__name__}"
            return {}
    middle = len(rows) // 2
    return _ask(renderer, rows[:middle], broken) | _ask(renderer, rows[middle:], broken)


@dataclass(frozen=True)
class Outcome:
    """What came of one call; `state` is one of sent, failed, pending, unknown, parked."""

    message_id: int
    claim_token: uuid.UUID
    state: str
    at: datetime
    next_at: datetime | None = None
    errcode: int | None = None
    errmsg: str = ""
    msgid: str = ""
    counts_attempt: bool = True  # a refresh or a throttle is not the message's fault


def settle(outcomes: Sequence[Outcome]) -> int:
    """Write outcomes with one statement, each under its claim token; a lost lease writes nothing. Returns rows written."""
    if not outcomes:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE core_outboxmessage m SET
                state = o.state, claim_token = NULL, lease_until = NULL,
                next_at = coalesce(o.next_at, m.next_at), errcode = o.errcode, errmsg = left(o.errmsg, 255),
                msgid = o.msgid, attempts = CASE WHEN o.counts THEN m.attempts ELSE greatest(m.attempts - 1, 0) END,
                sent_at = CASE WHEN o.state = 'sent' THEN o.at ELSE m.sent_at END,
                first_unknown_at = CASE WHEN o.state = 'unknown' THEN coalesce(m.first_unknown_at, m.claimed_at)
                                        ELSE m.first_unknown_at END
            FROM unnest(%s::bigint[], %s::uuid[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::int[],
                        %s::text[], %s::text[], %s::bool[])
                 AS o(id, token, state, at, next_at, errcode, errmsg, msgid, counts)
            WHERE m.id = o.id AND m.claim_token = o.token AND m.state = 'claimed'
            """,
            [
                [o.message_id for o in outcomes],
                [o.claim_token for o in outcomes],
                [o.state for o in outcomes],
                [o.at for o in outcomes],
                [o.next_at for o in outcomes],
                [o.errcode for o in outcomes],
                [o.errmsg for o in outcomes],
                [o.msgid for o in outcomes],
                [o.counts_attempt for o in outcomes],
            ],
        )
        return cursor.rowcount


def give_back(rows: Sequence[OutboxMessage], *, now: datetime) -> int:
    """Return claimed rows that were surely not called (shutdown, short lease) to where they came from."""
    if not rows:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE core_outboxmessage m SET
                state = CASE WHEN m.first_unknown_at IS NULL THEN 'pending' ELSE 'unknown' END,
                claim_token = NULL, lease_until = NULL, next_at = %s, attempts = greatest(m.attempts - 1, 0)
            FROM unnest(%s::bigint[], %s::uuid[]) AS r(id, token)
            WHERE m.id = r.id AND m.claim_token = r.token AND m.state = 'claimed'
            """,
            [now, [row.pk for row in rows], [row.claim_token for row in rows]],
        )
        return cursor.rowcount
