"""Three requests for money under way, the fourth waits; whoever is done, or died, leaves his place."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from yejibao.core import at_once
from yejibao.core.errors import TooMany

NO_REDIS = "redis://127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def _nobody() -> None:
    at_once._alone.clear()


def begin(who: str) -> at_once.Underway | None:
    try:
        return at_once.begin("money", who)
    except TooMany:
        return None


def test_the_fourth_waits_until_one_is_done() -> None:
    three = [begin("till-1") for _ in range(3)]
    with pytest.raises(TooMany) as refusal:
        at_once.begin("money", "till-1")
    assert all(three) and refusal.value.extra == {"retry_after": 1}
    assert (other := begin("till-2")) is not None  # another cashier has places of his own
    three[0].end()  # type: ignore[union-attr]
    assert (last := begin("till-1")) is not None
    for one in (*three[1:], other, last):
        one.end()  # type: ignore[union-attr]


def test_at_the_same_moment_no_more_than_three_get_in() -> None:
    with ThreadPoolExecutor(12) as pool:
        got = [one for one in pool.map(lambda _: begin("till-3"), range(12)) if one]
    assert len(got) == 3
    for one in got:
        one.end()


def test_who_died_is_forgotten(monkeypatch: Any) -> None:
    begun = [begin("till-4") for _ in range(3)]
    real = at_once.time.time()
    monkeypatch.setattr(at_once.time, "time", lambda: real + at_once.LEASE_SECONDS + 1)
    assert all(begun) and begin("till-4") is not None


def test_without_redis_one_in_each_process(settings: Any) -> None:
    settings.REDIS_URL = NO_REDIS
    first = begin("till-5")
    assert first is not None and begin("till-5") is None
    first.end()
    assert begin("till-5") is not None


def test_what_is_not_counted_is_not_held_back() -> None:
    assert [at_once.begin("search", "x") for _ in range(9)] == [None] * 9
