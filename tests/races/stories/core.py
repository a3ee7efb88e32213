"""The ground floor: keys, events, the outbox, the budgets."""

import time
import uuid
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import OperationalError, connection, transaction
from psycopg import errors

from crm.events import OrderPaid
from tests.races.at_once import at_once, overtaken
from tests.races.world import NOON, World, messages
from yejibao.core import idempotency
from yejibao.core.idempotency import InProgress
from yejibao.core.models import AuditEntry, OutboxEvent, OutboxMessage
from yejibao.core.outbox import deciding, drain_events, publish
from yejibao.core.outbox import messages as outbox
from yejibao.core.outbox.events import _handlers, retry_events
from yejibao.core.scope import Actor
from yejibao.core.sql import twice_if_deadlocked
from yejibao.wecom import ledger
from yejibao.wecom.models import BudgetWindow

SYSTEM = Actor.system("race")

# ---------------------------------------------------------------- keys


def a_key_used_twice(world: World) -> None:
    done = []

    def request(who: str) -> Any:
        def work() -> tuple[int, Any]:
            done.append(who)
            outbox.enqueue([outbox.NewMessage("urge", f"race:{who}", "limin", NOON)])
            return 200, {"ok": True}

        return idempotency.run(actor="staff:1", key="a-key", request_sha="same", work=work)

    both = overtaken(lambda: request("first"), lambda: request("second"))
    assert (messages(), isinstance(both.second, InProgress)) == (1, True)


def the_second_of_two_is_told_so_and_does_nothing(world: World) -> None:
    done: list[int] = []

    def request() -> Any:
        return idempotency.run(
            actor="staff:1", key="a-key", request_sha="same", work=lambda: (done.append(1) or 200, {})
        )

    both = overtaken(request, request)
    assert (len(done), isinstance(both.second, InProgress)) == (1, True)


def two_in_a_circle(world: World) -> None:
    """Each holds what the other wants: the database ends one of them."""
    a, b = world.member(), world.member()
    tries: list[int] = []

    def both(first: int, second: int) -> None:
        def work() -> str:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM crm_member WHERE id = %s FOR UPDATE", [first])
                tries.append(first)
                while len(tries) < 2:
                    time.sleep(0.001)
                cursor.execute("SELECT 1 FROM crm_member WHERE id = %s FOR UPDATE", [second])
                return "through"

        return twice_if_deadlocked(work)  # type: ignore[return-value]

    answers = at_once(partial(both, a.pk, b.pk), partial(both, b.pk, a.pk))
    assert answers == ["through", "through"]


# ---------------------------------------------------------------- events


def _paid(world: World) -> None:
    publish(OrderPaid(world.buy(world.member()).pk))


def a_second_drain_leaves_at_once(world: World) -> None:
    _paid(world)
    both = overtaken(drain_events, drain_events)
    assert (both.second, both.waited) == ({}, False)


def an_event_is_handed_over_once(world: World) -> None:
    _paid(world)
    both = overtaken(drain_events, drain_events)
    assert (both.first, both.second) == ({"crm.order_paid": 1}, {})


def a_deadlocked_drain_goes_again(world: World) -> None:
    """The whole of it: a part of the transaction cannot give back what the rest has locked."""
    _paid(world)
    tries: list[int] = []

    def once_in_a_circle(events_: list[Any]) -> None:
        tries.append(len(events_))
        if len(tries) == 1:
            raise OperationalError() from errors.DeadlockDetected()

    handlers = _handlers["crm.order_paid"]
    handlers.append(once_in_a_circle)
    try:
        (said,) = at_once(drain_events)
    finally:
        handlers.remove(once_in_a_circle)
    assert (said, OutboxEvent.objects.get().attempts) == ({"crm.order_paid": 1}, 0)


def two_who_retry_a_parked_event(world: World) -> None:
    event = OutboxEvent.objects.create(topic="race", payload={}, created_at=NOON, parked_at=NOON, attempts=5)
    both = overtaken(*[lambda: retry_events([event.pk], actor=SYSTEM)] * 2)
    assert (both.first, both.second) == (1, 0)


# ---------------------------------------------------------------- messages


def _message(**facts: Any) -> OutboxMessage:
    """Return a message that may have left: it is sent again as it is, whoever renders its kind."""
    facts = {"state": "unknown", "first_unknown_at": NOON, "body_bytes": b"{}"} | facts
    return OutboxMessage.objects.create(
        kind="urge", dedupe_key=uuid.uuid4().hex, recipient="limin", due_at=NOON, next_at=NOON, created_at=NOON, **facts
    )


def _outcome(row: OutboxMessage) -> outbox.Outcome:
    assert row.claim_token
    return outbox.Outcome(row.pk, row.claim_token, "sent", NOON, msgid="m1")


def a_message_queued_twice(world: World) -> None:
    def queue() -> int:
        return outbox.enqueue([outbox.NewMessage("urge", "race", "limin", NOON)])

    both = overtaken(queue, queue)
    assert (both.second, messages()) == (1, 1)


def two_senders_claim(world: World) -> None:
    for _ in range(3):
        _message()
    both = overtaken(lambda: outbox.claim(now=NOON), lambda: outbox.claim(now=NOON))
    assert (len(both.first), both.second) == (3, [])


def _asleep() -> OutboxMessage:
    """Claim a message and let the lease run out."""
    _message()
    (row,) = outbox.claim(now=NOON)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE core_outboxmessage SET lease_until = now() - interval '1 second'")
    return row


def a_message_that_is_being_settled_is_not_reclaimed(world: World) -> None:
    row = _asleep()
    both = overtaken(lambda: outbox.settle([_outcome(row)]), outbox.reclaim_lost)
    assert (both.first, both.second, OutboxMessage.objects.get().state) == (1, 0, "sent")


def _woken() -> tuple[OutboxMessage, OutboxMessage]:
    """Return a claim whose owner was asleep, and that of whoever took it over."""
    asleep = _asleep()
    outbox.reclaim_lost()
    (taken,) = outbox.claim(now=NOON + timedelta(seconds=1))
    return asleep, taken


def a_sender_who_slept_settles_nothing(world: World) -> None:
    asleep, taken = _woken()
    assert outbox.settle([_outcome(asleep)]) == 0
    assert outbox.settle([_outcome(taken)]) == 1


def a_sender_who_slept_gives_nothing_back(world: World) -> None:
    asleep, taken = _woken()
    assert outbox.give_back([asleep], now=NOON) == 0
    assert outbox.settle([_outcome(taken)]) == 1


def two_who_resend(world: World) -> None:
    row = _message(state="failed")
    both = overtaken(*[lambda: deciding.resend_many([row.pk], actor=SYSTEM, now=NOON)] * 2)
    assert (len(both.first), both.second, messages()) == (1, [], 2)


def two_who_close(world: World) -> None:
    row = _message(state="failed")
    both = overtaken(*[lambda: deciding.close_many([row.pk], actor=SYSTEM, reason="人已离职")] * 2)
    assert (both.first, both.second) == (1, 0)
    assert AuditEntry.objects.filter(action="message.closed").count() == 1


# ---------------------------------------------------------------- budgets without Redis


def _granted(name: str, *, an_hour: int) -> bool:
    limits = ledger.Limits(per_hour=an_hour)
    return ledger.reserve("race", [name], NOON.timestamp(), limits, "2025-03-04")[0][1]


def two_senders_and_the_last_of_a_budget(world: World) -> None:
    BudgetWindow.objects.create(key="api:race")
    both = overtaken(lambda: _granted("min", an_hour=1), lambda: _granted("yu", an_hour=1))
    assert (both.first, both.second) == (True, False)


def two_senders_and_a_new_budget(world: World) -> None:
    both = overtaken(lambda: _granted("min", an_hour=2), lambda: _granted("yu", an_hour=2))
    assert (both.first, both.second) == (True, True)
