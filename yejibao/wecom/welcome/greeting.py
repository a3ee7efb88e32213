"""Send welcome messages inside their 20 seconds, many at a time, beside the queue of pushes and not in it.

A row per code is committed before the call and settled after it. A call without an answer is made once more while there is
time: the platform takes a code once, so the second either arrives or says that the first did (41051).
"""

import asyncio
import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from yejibao.core import clock

from ..aclient import AsyncClient
from ..beside import Beside, run_with_caller_serving
from ..contacts import CODE_DEAD, CODE_USED, NO_CODE, OTHER_APP_SENDS
from ..errors import GatewayError, Kind
from ..gateway import Gateway
from .models import WelcomeMessage

log = logging.getLogger(__name__)

API = "externalcontact/send_welcome_msg"
WINDOW = timedelta(seconds=20)
MARGIN = timedelta(seconds=1)  # a call that leaves later than this before the end is not worth leaving
# Of one batch: there are a few lanes, and the platform refuses (45033) what it finds too many side by side.
IN_FLIGHT = 5
CALL_SECONDS = 5.0  # the platform answers in 2 s; a call that takes longer is not waited for
TRIES = 4
TOO_MANY_AT_ONCE = 45033
State = WelcomeMessage.State


@dataclass(frozen=True)
class Greeting:
    """A welcome code, whose it is, and when the platform made it."""

    code: str
    userid: str
    external_userid: str
    happened_at: datetime

    @property
    def sha(self) -> bytes:
        return hashlib.sha256(self.code.encode()).digest()


Compose = Callable[[Sequence[Greeting]], dict[str, str]]  # -> text by code


def greet(greetings: Sequence[Greeting], *, compose: Compose, door: Gateway) -> dict[str, int]:
    """Greet each friend once, with the words `compose` finds for those that are still in time. Returns counts by state.

    Call with no transaction open. A code that was seen before, here or in another process, is left alone.
    """
    fresh = _take({one.code: one for one in greetings})
    if not fresh:
        return {}
    texts = compose(fresh)
    _write_texts(fresh, texts)
    ready = [one for one in fresh if texts.get(one.code)]
    outcomes = run_with_caller_serving(lambda beside: _call_all(ready, texts, door, beside)) if ready else []
    for one in fresh:
        if not texts.get(one.code):
            outcomes.append(_Outcome(one, State.REFUSED, None, None, 0))
    _settle(outcomes)
    return dict(Counter(str(outcome.state) for outcome in outcomes))


def close_abandoned(*, now: datetime) -> int:
    """Say of greetings whose process died in the call that nobody knows. Returns how many."""
    return WelcomeMessage.objects.filter(state=State.CALLING, created_at__lt=now - timedelta(minutes=1)).update(
        state=State.UNKNOWN, settled_at=now
    )


@dataclass(frozen=True)
class _Outcome:
    greeting: Greeting
    state: str
    errcode: int | None
    called_at: datetime | None
    attempts: int


def _take(greetings: dict[str, Greeting]) -> list[Greeting]:
    """Write the rows of codes nobody has seen; return those that are still in time, the others are late at once."""
    now = clock.now()
    late = {one.code for one in greetings.values() if one.happened_at + WINDOW - MARGIN <= now}
    rows = list(greetings.values())
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO wecom_welcomemessage (code_sha, userid, external_userid, happened_at, created_at, state, text, attempts,
                                              settled_at)
            SELECT sha, userid, external, at, %(now)s, CASE WHEN late THEN 'late' ELSE 'calling' END, '', 0,
                   CASE WHEN late THEN %(now)s::timestamptz END
            FROM unnest(%(sha)s::bytea[], %(userid)s::text[], %(external)s::text[], %(at)s::timestamptz[], %(late)s::bool[])
                 AS g(sha, userid, external, at, late)
            ON CONFLICT (code_sha) DO NOTHING RETURNING code_sha
            """,
            {
                "now": now,
                "sha": [one.sha for one in rows],
                "userid": [one.userid for one in rows],
                "external": [one.external_userid for one in rows],
                "at": [one.happened_at for one in rows],
                "late": [one.code in late for one in rows],
            },
        )
        taken = {bytes(row[0]) for row in cursor.fetchall()}
    return [one for one in rows if one.sha in taken and one.code not in late]


def _write_texts(greetings: Sequence[Greeting], texts: dict[str, str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE wecom_welcomemessage w SET text = t.text FROM unnest(%s::bytea[], %s::text[]) AS t(sha, text) "
            "WHERE w.code_sha = t.sha",
            [[one.sha for one in greetings], [texts.get(one.code, "") for one in greetings]],
        )


async def _call_all(
    greetings: Sequence[Greeting], texts: dict[str, str], door: Gateway, beside: Beside
) -> list[_Outcome]:
    gate = asyncio.Semaphore(IN_FLIGHT)
    async with AsyncClient(door, beside=beside) as client:

        async def one(greeting: Greeting) -> _Outcome:
            async with gate:
                return await _call(client, door, beside, greeting, texts[greeting.code])

        return list(await asyncio.gather(*(one(greeting) for greeting in greetings)))


async def _call(client: AsyncClient, door: Gateway, beside: Beside, greeting: Greeting, text: str) -> _Outcome:
    body = json.dumps({"welcome_code": greeting.code, "text": {"content": text}}, ensure_ascii=False).encode()
    end = greeting.happened_at + WINDOW - MARGIN
    called_at: datetime | None = None
    is_unsure = False
    code: int | None = None
    for attempt in range(1, TRIES + 1):
        if not await _budget(door, beside, end):
            return _Outcome(greeting, State.UNKNOWN if is_unsure else State.LATE, code, called_at, attempt - 1)
        called_at = called_at or clock.now()
        try:
            await asyncio.wait_for(client.post(API, body), CALL_SECONDS)
        except TimeoutError:
            code, is_unsure = None, True
        except GatewayError as error:
            code = error.code
            if code == CODE_USED:
                return _Outcome(greeting, State.SENT if is_unsure else State.TALKING, code, called_at, attempt)
            if code in (CODE_DEAD, NO_CODE):
                # A code that was used up answers like one that has died, so after a doubt the doubt stays.
                late = clock.now() > greeting.happened_at + WINDOW - MARGIN
                state = State.UNKNOWN if is_unsure else State.LATE if late else State.REFUSED
                return _Outcome(greeting, state, code, called_at, attempt)
            if code == TOO_MANY_AT_ONCE:
                pass  # a breaker would outlast every code that is waiting
            elif error.kind is Kind.THROTTLE:
                await beside(lambda: door.budgets.trip(API))
            elif error.kind not in (Kind.UNKNOWN, Kind.TRANSIENT):
                return _Outcome(greeting, State.REFUSED, code, called_at, attempt)
            is_unsure = is_unsure or error.may_have_happened
        else:
            return _Outcome(greeting, State.SENT, 0, called_at, attempt)
        await asyncio.sleep(0.5 if code == OTHER_APP_SENDS else 0.2 * attempt)
    return _Outcome(greeting, State.UNKNOWN if is_unsure else State.REFUSED, code, called_at, TRIES)


async def _budget(door: Gateway, beside: Beside, end: datetime) -> bool:
    """Wait for a place in the API's budget; False when none comes before the end."""
    while clock.now() < end:
        slot = (await beside(lambda: door.budgets.reserve(api=API)))[0]
        if clock.now() + timedelta(seconds=slot.wait) >= end:
            return False
        if slot.wait:
            await asyncio.sleep(slot.wait)
        if slot.granted:
            return True
    return False


def _settle(outcomes: Sequence[_Outcome]) -> None:
    """Write how these ended; of one whose end was doubted meanwhile as well: only who took the code knows."""
    now = clock.now()
    columns: list[Any] = [
        [o.greeting.sha for o in outcomes], [str(o.state) for o in outcomes], [o.errcode for o in outcomes],
        [o.called_at for o in outcomes], [o.attempts for o in outcomes],
    ]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE wecom_welcomemessage w SET state = o.state, errcode = o.errcode, called_at = o.called_at,
                   attempts = o.attempts, settled_at = %s
            FROM unnest(%s::bytea[], %s::text[], %s::int[], %s::timestamptz[], %s::int[])
                 AS o(sha, state, errcode, called_at, attempts)
            WHERE w.code_sha = o.sha
            """,
            [now, *columns],
        )
