"""How often one caller may do one thing: by class, by day, all together, with Redis and without."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from yejibao.core import clock, limits
from yejibao.core.errors import TooMany
from yejibao.core.limits import CLASSES, Share

NO_REDIS = "redis://127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def _clean_memory(monkeypatch: Any) -> None:
    limits._alone().storage.reset()
    monkeypatch.setattr(limits, "_tally", limits._Tally())


def passes(what: str, times: int, who: str = "7") -> list[bool]:
    def once(_: int) -> bool:
        try:
            limits.hit(what, who)
        except TooMany:
            return False
        return True

    return [once(number) for number in range(times)]


@pytest.mark.parametrize(
    ("what", "per_minute", "per_day"),
    [("login", 10, 0), ("search", 60, 0), ("reveal", 10, 100), ("export", 0, 5), ("money", 20, 0), ("upload", 30, 0)],
)
def test_the_classes_are_those_of_the_rules(what: str, per_minute: int, per_day: int) -> None:
    assert (CLASSES[what].per_minute, CLASSES[what].per_day) == (per_minute, per_day)


@pytest.mark.parametrize(
    ("what", "share"), [("login", 10), ("money", 20), ("upload", 30), ("search", 60), ("export", 5)]
)
def test_the_next_one_is_refused_with_the_time_to_wait(what: str, share: int) -> None:
    assert passes(what, share) == [True] * share
    with pytest.raises(TooMany) as refusal:
        limits.hit(what, "7")
    assert refusal.value.extra["retry_after"] >= 1 and "请" in refusal.value.detail
    assert passes(what, 1, who="8") == [True]  # another one has a share of his own


def test_without_redis_half_as_many(settings: Any) -> None:
    settings.REDIS_URL = NO_REDIS
    assert passes("login", 6) == [True] * 5 + [False]
    assert passes("export", 3) == [True] * 2 + [False]


def test_a_day_is_a_day_of_its_own(monkeypatch: Any, caplog: Any) -> None:
    monkeypatch.setitem(CLASSES, "reveal", Share(per_day=4, alarm_at=2))
    evening = datetime.fromisoformat("2026-03-02T15:59:00+00:00")  # 23:59 in Shanghai
    monkeypatch.setattr(clock, "system_now", lambda: evening)
    assert [limits.hit("reveal", "7") for _ in range(4)] == [1, 2, 3, 4]
    assert [record.getMessage() for record in caplog.records] == ["a caller is near the day's end of a class"]
    with pytest.raises(TooMany) as refusal:
        limits.hit("reveal", "7")
    assert refusal.value.extra["retry_after"] == 60
    monkeypatch.setattr(clock, "system_now", lambda: evening + timedelta(minutes=2))
    assert limits.hit("reveal", "7") == 1


@pytest.mark.parametrize("redis", ["as it is", NO_REDIS])
def test_a_budget_is_full_again_at_midnight_in_shanghai(monkeypatch: Any, settings: Any, redis: str) -> None:
    if redis == NO_REDIS:
        settings.REDIS_URL = NO_REDIS
    evening = datetime.fromisoformat("2026-03-03T15:59:00+00:00")  # 23:59 in Shanghai
    monkeypatch.setattr(clock, "system_now", lambda: evening)
    limits.spend("rows", "erp", amount=6, per_day=10)
    with pytest.raises(TooMany) as refusal:
        limits.spend("rows", "erp", amount=5, per_day=10)
    assert refusal.value.extra["retry_after"] == 60
    limits.spend("rows", "erp", amount=4, per_day=10)  # what was refused took nothing
    monkeypatch.setattr(clock, "system_now", lambda: evening + timedelta(minutes=2))
    limits.spend("rows", "erp", amount=10, per_day=10)


def test_many_at_once_get_no_more_than_one_after_the_other() -> None:
    with ThreadPoolExecutor(8) as pool:
        got = [result for one in pool.map(lambda _: passes("money", 10), range(8)) for result in one]
    assert got.count(True) == 20


# ---------------------------------------------------------------- everything


def asked(times: int, who: str = "7") -> int:
    """Return how many of so many requests pass."""
    count = 0
    for _ in range(times):
        try:
            limits.count_request(who)
        except TooMany:
            continue
        count += 1
    return count


@pytest.fixture
def minute(monkeypatch: Any, settings: Any) -> Any:
    settings.REQUESTS_PER_MINUTE = 100
    moment = {"at": 1_800_000_000.0}
    monkeypatch.setattr(limits.time, "time", lambda: moment["at"])
    return moment


def test_everybody_has_a_share_of_all(minute: Any) -> None:
    assert (asked(150), asked(30, who="8")) == (100, 30)
    with pytest.raises(TooMany) as refusal:
        limits.count_request("7")
    assert refusal.value.extra == {"retry_after": 60}
    minute["at"] += 60
    assert asked(10) == 10


def test_processes_count_together_to_within_twenty_each(minute: Any, monkeypatch: Any) -> None:
    passed = 0
    for _process in range(4):
        monkeypatch.setattr(limits, "_tally", limits._Tally())
        passed += asked(100)
    assert 100 <= passed <= 100 + 4 * limits.REQUESTS_AT_ONCE


def test_redis_hears_of_every_twentieth(minute: Any, monkeypatch: Any) -> None:
    calls = []
    storage = limits._shared(limits.settings.REDIS_URL, limits.settings.SLOT).storage
    incr = storage.incr
    monkeypatch.setattr(storage, "incr", lambda *given: calls.append(given) or incr(*given))
    asked(59)
    assert len(calls) == 2


def test_without_redis_half_of_all(minute: Any, settings: Any) -> None:
    settings.REDIS_URL = NO_REDIS
    assert asked(100) == 59  # the sixtieth is when this process looks; half would be fifty


def test_threads_count_each_request_once(minute: Any) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: asked(20), range(8))) == 100


# ---------------------------------------------------------------- declared


def test_a_class_nobody_knows_is_refused_at_the_declaration() -> None:
    with pytest.raises(KeyError):
        limits.by("nothing")


def test_what_a_view_declares() -> None:
    @limits.by("search", given="q")
    def page(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    limited = limits.of_view(page, "GET")
    assert limited is not None and limited.what == "search"
    assert [limited.counts(RequestFactory().get(path)) for path in ("/", "/?q=", "/?q=%20", "/?q=李")] == [
        False, False, False, True,
    ]  # fmt: skip

    class View:
        limit = {"export": "export"}

    def endpoint(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    endpoint.cls, endpoint.actions = View, {"post": "export", "get": "list"}  # type: ignore[attr-defined]
    assert limits.of_view(endpoint, "POST") == limits.Limited("export")
    assert limits.of_view(endpoint, "GET") is None
