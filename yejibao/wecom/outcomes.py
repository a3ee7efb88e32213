"""What an answer of message/send means for the message: the whole table of reliability-security §6 on one page."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from yejibao.core.outbox import messages as outbox
from yejibao.core.outbox.models import OutboxMessage

from .errors import GatewayError, Kind
from .gateway import Sent

API = "message/send"
TASK_ID_USED = 42014
State = OutboxMessage.State


def outcome_of(row: OutboxMessage, result: Sent | GatewayError, *, now: datetime) -> outbox.Outcome:
    """Return what becomes of a claimed row after its call (reliability-security §6)."""
    assert row.claim_token is not None
    done = Ending(row, now)
    if isinstance(result, Sent):
        if result.invalid_users or result.unlicensed_users:
            why = "invaliduser" if result.invalid_users else "unlicenseduser"
            return done(State.FAILED, code=0, text=why, msgid=result.msgid)
        return done(State.SENT, code=0, msgid=result.msgid)
    code, text = result.code, result.message
    # Until its first answer comes a row is "not delivered for sure"; one that was unknown before stays so.
    again = State.UNKNOWN if row.first_unknown_at else State.PENDING
    if result.kind is Kind.THROTTLE:
        later = now + timedelta(seconds=result.retry_after + random.uniform(0, 5))
        return done(again, code=code, text=text, next_at=later, counts=False)
    if result.api != API:
        # No token to be had: nothing left the house. A wrong secret heals by somebody's hand, so ask rarely.
        wait = 300.0 if result.kind is Kind.ADMIN else backoff(row.attempts)
        return done(again, code=code, text=text, next_at=now + timedelta(seconds=wait), counts=False)
    if result.kind is Kind.ADMIN:
        return done(State.PARKED, code=code, text=text)
    if result.kind is Kind.REFRESH:
        return done(again, code=code, text=text, next_at=now + timedelta(seconds=backoff(row.attempts)), counts=False)
    if result.kind is Kind.UNKNOWN or code is not None and result.kind is Kind.TRANSIENT:
        return done(State.UNKNOWN, code=code, text=text, next_at=now + timedelta(seconds=backoff(row.attempts)))
    if result.kind is Kind.TRANSIENT:
        return done(again, code=code, text=text, next_at=now + timedelta(seconds=backoff(row.attempts)))
    if code == TASK_ID_USED and row.first_unknown_at:
        return done(State.SENT, code=0, text="an earlier try had arrived")  # the card's number is ours alone
    return done(State.FAILED, code=code, text=text)


@dataclass(frozen=True)
class Ending:
    row: OutboxMessage
    now: datetime

    def __call__(
        self, state: str, *, code: int | None, text: str = "", msgid: str = "", next_at: datetime | None = None,
        counts: bool = True,
    ) -> outbox.Outcome:  # fmt: skip
        assert self.row.claim_token is not None
        return outbox.Outcome(
            message_id=self.row.pk, claim_token=self.row.claim_token, state=state, at=self.now, next_at=next_at,
            errcode=code, errmsg=text[:255].replace("\0", ""), msgid=msgid[:128], counts_attempt=counts,
        )  # fmt: skip


def backoff(attempts: int) -> float:
    """Return seconds until the next try: full jitter up to 60 s for three tries, then 30 to 60.

    Never longer, so that a minute after an outage everybody is served. A platform that is away is not hammered for that:
    the sender only probes it then.
    """
    if attempts > 3:
        return random.uniform(30, 60)
    return max(1.0, random.uniform(0, min(60.0, 2.0 ** (attempts + 2))))
