"""What becomes of a message, for every way its call can end; against the stand-in over a real socket."""

import uuid
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from tests.wecom.running import run
from yejibao.core import clock as product_clock
from yejibao.core.outbox import messages as outbox
from yejibao.core.outbox.models import OutboxMessage
from yejibao.wecom import sender as sender_module
from yejibao.wecom.errors import GatewayError, Kind
from yejibao.wecom.gateway import Gateway, Sent
from yejibao.wecom.outcomes import backoff, outcome_of
from yejibao.wecom.sender import drain_messages, recall_messages

from .conftest import PlainRenderer, Queue, flags, states

pytestmark = pytest.mark.django_db


# ---------------------------------------------------------------- the state machine


def test_sent(queue: Queue, door: Gateway, sandbox: Any, morning: Any) -> None:
    rows = queue("lan.chen", "min.wang")
    assert drain_messages(door=door) == {"claimed": 2, "sent": 2}
    assert states(*rows) == ["sent", "sent"]
    got = sandbox.received("lan.chen")
    assert [row["msgid"] for row in got] == [rows[0].msgid]
    assert got[0]["request"]["textcard"]["url"].endswith(f"/{rows[0].pk}/")
    assert (rows[0].sent_at, rows[0].claim_token, rows[0].errcode) == (morning.now, None, 0)
    assert drain_messages(door=door) == {}


def test_not_due_is_left_alone(queue: Queue, door: Gateway, morning: Any) -> None:
    rows = queue("lan.chen", due_at=morning.now + timedelta(minutes=1))
    assert drain_messages(door=door) == {}
    morning.go(minutes=1)
    drain_messages(door=door)
    assert states(*rows) == ["sent"]


def test_nothing_left_to_tell_and_too_late(queue: Queue, door: Gateway, sandbox: Any, morning: Any) -> None:
    rows = queue("lan.chen", subject="nothing") + queue("lan.chen", not_after=morning.now - timedelta(minutes=1))
    last = queue("min.wang", priority=9)  # behind those that fall away
    drain_messages(door=door)
    assert states(*rows, *last) == ["cancelled", "expired", "sent"]
    assert sandbox.received("lan.chen") == []


def test_nobody_there_is_a_failure_of_that_person(queue: Queue, door: Gateway, sandbox: Any) -> None:
    sandbox.post("world", people=[{"userid": "free", "licensed": False}])
    rows = queue("nobody", "free", "lan.chen")
    drain_messages(door=door)
    assert states(*rows) == ["failed", "failed", "sent"]
    assert [(row.errcode, row.errmsg[:40]) for row in rows[:2]][1] == (0, "unlicenseduser")
    assert rows[0].errcode == 81013


@pytest.mark.parametrize(
    ("order", "first", "second", "seen"),
    [
        # Not delivered for sure: goes out again.
        ({"errcode": 45009}, "pending", "sent", ["delivered"]),
        ({"errcode": 45033}, "pending", "sent", ["delivered"]),
        ({"errcode": 42001}, "sent", "sent", ["delivered"]),  # one refresh in between
        ({"errcode": 40014, "next_n": 2}, "pending", "sent", ["delivered"]),
        # Nobody knows: the same bytes again, and the platform's duplicate check decides.
        ({"errcode": -1}, "unknown", "sent", ["delivered"]),
        ({"errcode": -1, "after_effect": True}, "unknown", "sent", ["delivered", "duplicate"]),
        ({"http": 502}, "unknown", "sent", ["delivered"]),
        ({"http": 502, "after_effect": True}, "unknown", "sent", ["delivered", "duplicate"]),
        ({"truncated": True}, "unknown", "sent", ["delivered", "duplicate"]),
        ({"drop_after_effect": True}, "unknown", "sent", ["delivered", "duplicate"]),
        ({"reset": True}, "unknown", "sent", ["delivered"]),
        # Refused.
        ({"errcode": 40058}, "failed", "failed", []),
        ({"errcode": 81013}, "failed", "failed", []),
        # Somebody has to act.
        ({"errcode": 48002}, "parked", "parked", []),
        ({"errcode": 60020}, "parked", "parked", []),
        ({"errcode": 60011}, "parked", "parked", []),
    ],
)
def test_what_becomes_of_a_message(
    queue: Queue,
    door: Gateway,
    sandbox: Any,
    morning: Any,
    order: dict[str, Any],
    first: str,
    second: str,
    seen: list[str],
) -> None:
    (row,) = queue("lan.chen")
    sandbox.fault("message/send", **({"next_n": 1} | order))
    drain_messages(door=door)
    assert states(row) == [first]
    assert (row.first_unknown_at is not None) == (first == "unknown")
    morning.go(minutes=2)
    drain_messages(door=door)
    assert states(row) == [second]
    assert flags(sandbox) == seen
    assert len({str(message["request"]) for message in sandbox.received("lan.chen")}) <= 1  # the very same bytes


def test_a_hanging_platform_is_left_after_its_timeout(
    queue: Queue, sandbox: Any, door: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("yejibao.wecom.aclient.READ_SECONDS", 0.3)
    (row,) = queue("lan.chen")
    sandbox.fault("message/send", hang=3)
    drain_messages(door=door)
    assert (states(row), row.errcode) == (["unknown"], None)


def test_nobody_listening_is_not_an_attempt_that_may_have_arrived(queue: Queue, door: Gateway, settings: Any) -> None:
    door.credentials.get()
    away = Gateway(door.app, "http://127.0.0.1:1/cgi-bin/")
    (row,) = queue("lan.chen")
    drain_messages(door=away)
    assert (states(row), row.first_unknown_at, row.attempts) == (["pending"], None, 1)
    assert row.next_at > product_clock.now()


@pytest.mark.parametrize("order", [{"errcode": 40001}, {"http": 503}, {"errcode": 45009}])
def test_without_a_token_nothing_has_left(queue: Queue, door: Gateway, sandbox: Any, order: dict[str, Any]) -> None:
    sandbox.fault("gettoken", **order)
    (row,) = queue("lan.chen")
    drain_messages(door=door)
    assert (states(row), row.attempts) == (["pending"], 0)
    assert sandbox.get("stats")["calls"].get("message/send", 0) == 0


def test_an_open_breaker_holds_all_back_and_one_probe_opens_the_way(
    queue: Queue, door: Gateway, sandbox: Any, morning: Any
) -> None:
    sandbox.fault("message/send", errcode=45009, times=1)
    (first,) = queue("lan.chen")
    drain_messages(door=door)
    rest = queue(*["min.wang"] * 3, "yu.zhao")
    drain_messages(door=door)
    assert states(first, *rest) == ["pending"] * 5
    assert sandbox.get("stats")["calls"]["message/send"] == 1
    assert 60 <= (first.next_at - morning.now).total_seconds() <= 65.5
    morning.go(seconds=66)
    drain_messages(door=door)
    assert Counter(states(first, *rest)) == {"sent": 1, "pending": 4}  # the probe
    morning.go(seconds=5)
    drain_messages(door=door)
    assert states(first, *rest) == ["sent"] * 5
    assert {row.attempts for row in (first, *rest)} == {1}  # a throttle is not the message's fault


def test_unknown_for_three_hours_is_parked_for_a_person(
    queue: Queue, door: Gateway, sandbox: Any, morning: Any
) -> None:
    (row,) = queue("lan.chen")
    sandbox.fault("message/send", errcode=-1, after_effect=True)
    for _ in range(40):
        drain_messages(door=door)
        morning.go(minutes=6)
    assert (states(row), row.first_unknown_at) == (["parked"], morning.now - timedelta(minutes=240))
    assert Counter(flags(sandbox))["delivered"] == 1
    assert max(message["at"] for message in sandbox.received("lan.chen")) <= row.first_unknown_at.timestamp() + 3 * 3600


def test_a_throttled_row_that_may_have_left_stays_unknown(
    queue: Queue, door: Gateway, sandbox: Any, morning: Any
) -> None:
    (row,) = queue("lan.chen", not_after=morning.now + timedelta(minutes=3))
    sandbox.fault("message/send", drop_after_effect=True, times=1)
    drain_messages(door=door)
    sandbox.fault("message/send", errcode=45009, times=1)
    morning.go(minutes=2)
    drain_messages(door=door)
    assert states(row) == ["unknown"]
    morning.go(minutes=2)  # past not_after: it may have arrived, so it is resolved and not expired
    drain_messages(door=door)
    assert (states(row), flags(sandbox)) == (["sent"], ["delivered", "duplicate"])


def test_a_card_number_in_use_proves_the_earlier_try(queue: Queue, morning: Any) -> None:
    (row,) = queue("lan.chen")
    row.claim_token = uuid.uuid4()
    used = GatewayError.from_code(42014, "task_id used", api="message/send")
    assert outcome_of(row, used, now=morning.now).state == "failed"
    row.first_unknown_at = morning.now
    assert outcome_of(row, used, now=morning.now).state == "sent"


@pytest.mark.parametrize(
    ("result", "state", "counts"),
    [
        (Sent("m1", (), ()), "sent", True),
        (Sent("m1", ("lan.chen",), ()), "failed", True),
        (Sent("m1", (), ("lan.chen",)), "failed", True),
        (GatewayError(None, "x", kind=Kind.TRANSIENT, api="message/send"), "pending", True),
        (GatewayError(None, "x", kind=Kind.UNKNOWN, api="message/send"), "unknown", True),
        (GatewayError(None, "x", kind=Kind.UNKNOWN, api="gettoken"), "pending", False),
        (GatewayError(None, "x", kind=Kind.TRANSIENT), "pending", False),  # the lock of the token
        (GatewayError.from_code(45035, "x", api="message/send"), "unknown", True),
        (GatewayError.from_code(12345678, "x", api="message/send"), "failed", True),
    ],
)
def test_outcome_table(queue: Queue, result: Any, state: str, counts: bool) -> None:
    (row,) = queue("lan.chen")
    row.claim_token = uuid.uuid4()
    outcome = outcome_of(row, result, now=product_clock.now())
    assert (outcome.state, outcome.counts_attempt) == (state, counts)


def test_pauses_grow_and_then_stay() -> None:
    for attempts, most in ((1, 8), (2, 16), (3, 32)):
        pauses = [backoff(attempts) for _ in range(300)]
        assert min(pauses) >= 1 and max(pauses) <= most and max(pauses) > most / 2
    assert 30 <= backoff(4) <= 60 and 30 <= backoff(40) <= 60


# ---------------------------------------------------------------- lease and fence


def test_a_stale_claim_token_writes_nothing(queue: Queue) -> None:
    (row,) = queue("lan.chen")
    now = product_clock.now()
    (asleep,) = outbox.claim(now=now)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE core_outboxmessage SET lease_until = now() - interval '1 second'")
    assert outbox.reclaim_lost() == 1
    assert (states(row), row.first_unknown_at) == (["unknown"], asleep.claimed_at)
    (fresh,) = outbox.claim(now=now + timedelta(seconds=1))
    late = outcome_of(asleep, Sent("m-late", (), ()), now=now)
    assert outbox.settle([late]) == 0
    assert outbox.give_back([asleep], now=now) == 0
    assert (states(row), row.claim_token, row.msgid) == (["claimed"], fresh.claim_token, "")
    assert outbox.settle([outcome_of(fresh, Sent("m1", (), ()), now=now)]) == 1
    assert (states(row), row.msgid) == (["sent"], "m1")


def test_a_short_lease_is_given_back_uncalled(
    queue: Queue, door: Gateway, sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = queue("lan.chen")
    boot = iter([0.0] + [46.0] * 99)  # the claim, then 46 of its 60 seconds are gone
    monkeypatch.setattr(sender_module, "_boot_seconds", lambda: next(boot))
    drain_messages(door=door, seconds=0.001)
    assert (states(row), row.attempts, row.claim_token) == (["pending"], 0, None)
    assert sandbox.received() == []


def test_drain_sees_its_callers_transaction(queue: Queue, door: Gateway, sandbox: Any) -> None:
    (row,) = queue("lan.chen")
    assert drain_messages(door=door) == {"claimed": 1, "sent": 1}
    assert states(row) == ["sent"]


@pytest.mark.django_db(transaction=True)
def test_drain_runs_where_a_loop_is_running(queue: Queue, door: Gateway, sandbox: Any) -> None:
    """As in a browser test: Playwright's synchronous API keeps an event loop in the test's thread."""
    queue("lan.chen")

    async def inside() -> dict[str, int]:
        try:
            return drain_messages(door=door)
        finally:
            connection.close()

    assert run(inside()) == {"claimed": 1, "sent": 1}


def test_one_message_that_cannot_be_rendered_holds_up_nobody(
    queue: Queue, door: Gateway, sandbox: Any, morning: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = queue("lan.chen", "min.wang", "yu.zhao", "lan.chen")
    poison = rows[1].pk
    whole = PlainRenderer.render

    def render(self: PlainRenderer, messages: Any, *, now: datetime) -> dict[int, bytes | None]:
        if poison in {message.pk for message in messages}:
            OutboxMessage.objects.get(pk=-1)  # inside the claim's transaction
        return whole(self, messages, now=now)

    monkeypatch.setattr(PlainRenderer, "render", render)
    strange = queue("lan.chen")
    OutboxMessage.objects.filter(pk=strange[0].pk).update(kind="unheard of")
    drain_messages(door=door)
    assert states(*rows, *strange) == ["sent", "pending", "sent", "sent", "pending"]
    for _ in range(5):
        morning.go(minutes=6)
        drain_messages(door=door)
    assert states(rows[1], *strange) == ["parked", "parked"]
    assert [rows[1].errmsg, strange[0].errmsg] == ["render: DoesNotExist", "render: KeyError"]
    assert rows[1].attempts == 5


def test_recall_of_what_is_no_longer_true(queue: Queue, door: Gateway, sandbox: Any) -> None:
    (row,) = queue("lan.chen")
    drain_messages(door=door)
    row.refresh_from_db()
    assert recall_messages([row.msgid, "unknown"], door=door) == {"recalled": 1, "refused": 1}
    assert [message["recalled"] for message in sandbox.received("lan.chen")] == [True]
