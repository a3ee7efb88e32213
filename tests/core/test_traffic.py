"""Overload: who is turned away first, who never, and what he is told."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from yejibao.core import clock, traffic
from yejibao.core.traffic import CASHIER, DASHBOARDS, EXPORTS, LISTS, PAYMENTS, TODAY, Rank, Shed, rank, rank_of

PATHS = {
    PAYMENTS: "/wecom/callback/yejibao/", CASHIER: "/api/v1/feed/orders", TODAY: "/g/today/",
    LISTS: "/api/v1/staff/", DASHBOARDS: "/m/review/",
}  # fmt: skip


@pytest.fixture
def shed() -> Shed:
    return Shed(lambda request: HttpResponse("in"))


def status(shed: Shed, path: str, *, inside: int, **headers: str) -> int:
    """Return what somebody is answered when so many are inside with him."""
    shed.inside = inside - 1
    answer = shed(RequestFactory().get(path, headers=headers))
    assert shed.inside == inside - 1
    return answer.status_code


@pytest.mark.parametrize(
    ("inside", "let_in"),
    [
        (16, {PAYMENTS, CASHIER, TODAY, LISTS, DASHBOARDS}),
        (24, {PAYMENTS, CASHIER, TODAY, LISTS, DASHBOARDS}),
        (25, {PAYMENTS, CASHIER, TODAY, LISTS}),
        (33, {PAYMENTS, CASHIER, TODAY}),
        (41, {PAYMENTS, CASHIER}),
        (49, {PAYMENTS}),
        (128, {PAYMENTS}),
        (129, set()),
    ],
)
def test_the_order_in_which_they_are_turned_away(shed: Shed, settings: Any, inside: int, let_in: set[Rank]) -> None:
    settings.WEB_PLACES = 64
    assert {value for value, path in PATHS.items() if status(shed, path, inside=inside) == 200} == let_in


def test_exports_go_first(settings: Any, monkeypatch: Any) -> None:
    settings.WEB_PLACES = 64
    monkeypatch.setattr(traffic, "rank_of", lambda path, method: EXPORTS)
    shed = Shed(lambda request: HttpResponse("in"))
    assert [status(shed, "/x/", inside=inside) for inside in (16, 17)] == [200, 503]


def test_in_quiet_times_no_route_is_looked_up(shed: Shed, settings: Any, monkeypatch: Any) -> None:
    settings.WEB_PLACES = 64
    monkeypatch.setattr(traffic, "rank_of", lambda path, method: pytest.fail("looked up"))
    assert status(shed, "/g/today/", inside=16) == 200


def test_who_is_turned_away_takes_no_place_from_others(settings: Any) -> None:
    settings.WEB_PLACES = 8
    seen: list[int] = []

    def page(request: HttpRequest) -> HttpResponse:
        seen.append(shed.inside)
        return HttpResponse("in")

    shed = Shed(page)
    shed.inside = 5
    assert [shed(RequestFactory().get("/m/review/")).status_code for _ in range(20)] == [503] * 20
    assert shed(RequestFactory().get("/api/v1/feed/orders")).status_code == 200
    assert (seen, shed.inside) == ([6], 5)


def test_only_so_many_are_served_at_once_and_the_others_in_the_order_they_came(settings: Any) -> None:
    settings.WEB_AT_ONCE = 2
    came, may_go = [threading.Event() for _ in range(8)], [threading.Event() for _ in range(8)]
    served: list[int] = []

    def page(request: HttpRequest) -> HttpResponse:
        number = int(request.GET["n"])
        served.append(number)
        came[number].set()
        assert may_go[number].wait(20)
        return HttpResponse("in")

    shed = Shed(page)
    people = []
    for number in range(8):
        people.append(threading.Thread(target=shed, args=[RequestFactory().get("/g/today/", {"n": number})]))
        people[-1].start()
        assert came[number].wait(20) if number < 2 else _waits(shed, number - 1)
    assert (served, shed.inside) == ([0, 1], 8)
    for number in range(8):
        may_go[number].set()
        assert number + 2 > 7 or came[number + 2].wait(20)
    for person in people:
        person.join(20)
    assert (served, shed.inside, shed.served.free) == (list(range(8)), 0, 2)


def test_who_waits_for_another_system_lets_the_next_be_served(settings: Any) -> None:
    settings.WEB_AT_ONCE = 1
    hangs, answers, served = threading.Event(), threading.Event(), []

    def page(request: HttpRequest) -> HttpResponse:
        if request.path == "/login/":
            with traffic.elsewhere(), traffic.elsewhere():
                hangs.set()
                assert answers.wait(20)
        served.append(request.path)
        return HttpResponse("in")

    shed = Shed(page)
    first = threading.Thread(target=shed, args=[RequestFactory().get("/login/")])
    first.start()
    assert hangs.wait(20)
    assert shed(RequestFactory().get("/g/today/")).status_code == 200
    answers.set()
    first.join(20)
    assert (served, shed.served.free, shed.inside) == (["/g/today/", "/login/"], 1, 0)


def _waits(shed: Shed, how_many: int) -> bool:
    """Wait until so many stand in line."""
    deadline = clock.monotonic() + 20
    while len(shed.served.waiting) < how_many and clock.monotonic() < deadline:
        threading.Event().wait(0.005)
    return len(shed.served.waiting) == how_many


def test_who_leaves_by_an_error_frees_his_place(settings: Any) -> None:
    def fail(request: HttpRequest) -> HttpResponse:
        raise RuntimeError

    shed = Shed(fail)
    with pytest.raises(RuntimeError):
        shed(RequestFactory().get("/"))
    assert (shed.inside, shed.served.free) == (0, settings.WEB_AT_ONCE)


def test_what_is_declared_counts_before_the_kind(monkeypatch: Any) -> None:
    @rank(EXPORTS)
    def page(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    class View:
        rank = {"create": CASHIER, "*": LISTS}

    def endpoint(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    endpoint.cls, endpoint.actions = View, {"post": "create", "get": "list"}  # type: ignore[attr-defined]
    found: dict[str, Callable[..., Any]] = {"/g/page/": page, "/api/x/": endpoint}
    monkeypatch.setattr(traffic, "resolve", lambda path: type("Match", (), {"func": staticmethod(found[path])}))
    assert rank_of("/g/page/", "GET") == EXPORTS
    assert (rank_of("/api/x/", "POST"), rank_of("/api/x/", "GET")) == (CASHIER, LISTS)


@pytest.mark.parametrize(
    ("path", "method", "value"),
    [("/no/such/", "GET", LISTS), ("/api/v1/tasks/7/complete/", "POST", TODAY), ("/hq/", "GET", DASHBOARDS), ("/login/", "POST", TODAY)],
)  # fmt: skip
def test_the_kind_decides_where_nothing_is_declared(path: str, method: str, value: Rank) -> None:
    assert rank_of(path, method) == value


def test_a_person_reads_a_sentence_and_a_program_a_code(shed: Shed, settings: Any) -> None:
    settings.WEB_PLACES = 8
    shed.inside = 8
    page = shed(RequestFactory().get("/m/review/", headers={"Accept": "text/html"}))
    assert (page.status_code, page["Retry-After"], page["Cache-Control"]) == (503, "5", "no-store")
    assert "现在用的人太多" in page.content.decode()
    call = shed(RequestFactory().get("/api/v1/staff/"))
    assert (call.status_code, call["Retry-After"], call["Content-Type"]) == (503, "5", "application/problem+json")
    assert b'"code": "overloaded"' in call.content and b'"retryable": true' in call.content


@pytest.mark.django_db(transaction=True)
def test_a_burst_at_a_live_server(live_server: Any, settings: Any, monkeypatch: Any) -> None:
    """Forty at once at a door of eight places, over sockets: the callbacks all come in, the rest are told at once."""
    import http.client
    from urllib.parse import urlsplit

    settings.WEB_PLACES = 8
    is_full, may_go = threading.Semaphore(0), threading.Event()

    def slow(self: Shed, request: HttpRequest) -> HttpResponse:
        is_full.release()
        may_go.wait(20)
        return HttpResponse("in")

    monkeypatch.setattr(Shed, "__call__", _with(slow))
    address = urlsplit(live_server.url)
    answers: dict[str, list[tuple[int, str | None]]] = {"/wecom/callback/yejibao/": [], "/m/review/": []}

    def ask(path: str) -> None:
        line = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
        line.request("GET", path)
        answer = line.getresponse()
        answers[path].append((answer.status, answer.headers["Retry-After"]))
        line.close()

    def start(path: str, count: int) -> list[threading.Thread]:
        threads = [threading.Thread(target=ask, args=(path,)) for _ in range(count)]
        for thread in threads:
            thread.start()
        return threads

    inside = start("/m/review/", 3)
    for _ in range(3):
        assert is_full.acquire(timeout=20)
    for thread in start("/m/review/", 20):  # the boards have their three places: all these are turned away meanwhile
        thread.join(20)
    assert answers["/m/review/"] == [(503, "5")] * 20
    callbacks = start("/wecom/callback/yejibao/", 12)  # more than all places
    for _ in range(12):
        assert is_full.acquire(timeout=20)
    may_go.set()
    for thread in inside + callbacks:
        thread.join(20)
    assert answers["/m/review/"][20:] == [(200, None)] * 3
    assert answers["/wecom/callback/yejibao/"] == [(200, None)] * 12


def _with(inner: Callable[[Shed, HttpRequest], HttpResponse]) -> Callable[[Shed, HttpRequest], HttpResponse]:
    """Return the work of one door around something that takes its time, in place of each server's own door."""
    own, door = Shed.__call__, Shed(lambda request: inner(door, request))
    return lambda self, request: own(door, request)


def test_the_server_lets_in_as_many_as_the_door_counts() -> None:
    from django.conf import settings

    from yejibao.core.management.commands.run_product import web_command

    unit = (settings.BASE_DIR / "deploy" / "systemd" / "yejibao-web.service").read_text()
    told = web_command("127.0.0.1", 8000)
    assert told[told.index("--blocking-threads") + 1] == str(settings.WEB_PLACES)
    assert f"--blocking-threads {settings.WEB_PLACES} " in unit
