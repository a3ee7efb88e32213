"""How fast messages leave: a member's minute, everybody's second, and many messages of one moment."""

from datetime import timedelta
from typing import Any

import pytest

from tests.wecom.running import run
from yejibao.core import clock as product_clock
from yejibao.wecom.budgets import Budgets
from yejibao.wecom.gateway import Gateway
from yejibao.wecom.second import KNOWN_AFTER, Second
from yejibao.wecom.sender import drain_messages

from .conftest import Queue, flags, states

pytestmark = pytest.mark.django_db


def test_pace_of_a_member(queue: Queue, door: Gateway, sandbox: Any, morning: Any) -> None:
    rows = queue(*["lan.chen"] * 45, "min.wang")
    drain_messages(door=door)
    assert (flags(sandbox), flags(sandbox, "min.wang")) == (["delivered"] * 20, ["delivered"])
    for _ in range(4):
        morning.go(seconds=31)
        drain_messages(door=door)
    assert states(*rows) == ["sent"] * 46
    stats = sandbox.get("stats")
    assert (stats["dropped"], stats["member_peak_per_minute"]) == (0, 20)
    assert {row.attempts for row in rows} == {1}


def test_pace_holds_when_redis_is_gone(
    queue: Queue, door: Gateway, sandbox: Any, morning: Any, request: pytest.FixtureRequest
) -> None:
    queue(*["lan.chen"] * 12)
    drain_messages(door=door)
    request.getfixturevalue("no_redis")
    door = Gateway(door.app, door.base)
    queue(*["lan.chen"] * 12)
    morning.go(seconds=20)
    drain_messages(door=door)
    assert flags(sandbox) == ["delivered"] * 20
    morning.go(seconds=61)
    drain_messages(door=door)
    assert flags(sandbox) == ["delivered"] * 24


def test_many_messages_of_one_moment_go_out_in_simulated_seconds(
    queue: Queue, door: Gateway, sandbox: Any, morning: Any
) -> None:
    names = [f"g{number:04}" for number in range(2000)]
    sandbox.post("world", people=[{"userid": name} for name in names])
    queue(*names)
    sent = drain_messages(door=door, now=morning.now)["sent"]
    while sent < 2000 and morning.now.hour < 11:  # a machine too busy to answer in time is asked again, as always
        sent += drain_messages(door=door, now=morning.go(minutes=3)).get("sent", 0)
    assert (sent, sandbox.get("stats")["delivered"]) == (2000, 2000)


def test_the_whole_second_is_used_and_not_more(door: Gateway) -> None:
    """Budget of production, asked as the sender asks: batches of 256 without a pause."""
    budgets, moment, given = Budgets("ww-second", 1), product_clock.now(), []
    start = moment
    while (moment - start).total_seconds() < 2:
        names = [f"{moment.timestamp()}/{number}" for number in range(256)]
        slots = budgets.reserve(api="message/send", recipients=names, now=moment)
        given += [(moment - start).total_seconds() + slot.wait for slot in slots if slot.granted]
        waits = [slot.wait for slot in slots if not slot.granted]
        moment += timedelta(seconds=max(waits[0] if waits else 0, 0.001))
    used = [stamp for stamp in given if stamp < 2]
    most = max(sum(1 for stamp in used if begin <= stamp < begin + 1) for begin in used[::37])
    assert most <= 1500 and len(used) >= 2 * 1500 * 0.95


def test_a_second_counts_from_when_the_platform_can_have_got_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten a second. The first answers, which waited for their connections, do not pass for the platform's pace."""
    moment = 100.0
    monkeypatch.setattr(product_clock, "monotonic", lambda: moment)

    async def main() -> None:
        nonlocal moment
        second = Second(10)
        starts = [await second.begin() for _ in range(10)]
        moment = 100.4  # connected at 0.3, arrived at 0.35
        for start in starts:
            second.end(start)
        moment = 101.39
        assert not second._take()
        moment = 101.4
        assert second._take() and second._under_way == 1
        second.end(101.4, called=False)
        for turn in range(KNOWN_AFTER):  # each answered after 0.1
            moment = 200.0 + 2 * turn
            start = await second.begin()
            moment += 0.1
            second.end(start)
        moment += 2.0
        starts = [second._take() for _ in range(10)]
        moment += 0.1
        for start in starts:
            second.end(start)
        moment += 0.94  # half of 0.1 lay behind the arrival
        assert not second._take()
        moment += 0.02
        assert second._take()

    run(main())
