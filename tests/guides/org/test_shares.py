"""What one person may ask, over HTTP: classes of routes, everything together, and walking through ids."""

import inspect
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from guides.org.models import StaffSession
from guides.org.walking import locked_sessions
from tests.factories.guides import Org, make_org
from tests.factories.guides import sign_in as signed_in
from tests.test_routes_and_roles import ROUTES
from yejibao.core import clock, limits
from yejibao.core.limits import CLASSES, Share
from yejibao.core.models import AuditEntry

pytestmark = pytest.mark.django_db

HTML = {"HTTP_ACCEPT": "text/html"}


@pytest.fixture(autouse=True)
def _clean_memory(monkeypatch: Any) -> None:
    monkeypatch.setattr(limits, "_tally", limits._Tally())
    cache.clear()


@pytest.fixture
def org() -> Org:
    return make_org()


# ---------------------------------------------------------------- classes


def test_what_routes_declare() -> None:
    declared = {
        (route.template, limited.what)
        for route in ROUTES
        for method in route.methods
        if (limited := limits.of_view(route.view, method)) is not None
    }
    assert {
        ("/g/members/", "search"),
        ("/api/v1/wecom/signature", "jssdk"),
        ("/hq/intake/upload/", "upload"),
    } <= declared
    assert {what for _template, what in declared} <= set(CLASSES)


# And a look for what may come back, whose number or phone goes in the body.
BASKET = {"/g/till/new/", "/g/till/returns/"} | {
    f"/g/till/{{public_id}}/{step}/" for step in ("lines", "member", "choice", "drop")
}


def takes(view: Any, method: str) -> bool:
    """Tell whether a view answers a method, as far as its own decorators say."""
    while view is not None:
        names = inspect.getclosurevars(view).nonlocals if inspect.isfunction(view) else {}
        if method not in names.get("request_method_list", (method,)):
            return False
        view = getattr(view, "__wrapped__", None)
    return True


def test_what_moves_money_counts_as_such() -> None:
    """Whatever asks for one of these declares the class, but the steps of a basket before anybody pays."""
    moves = ("order.cashier", "order.proxy", "stored_value.topup", "stored_value.refund")
    uncounted = [
        (method, route.label)
        for route in ROUTES
        for method in route.methods
        if method != "GET" and getattr(route.rule(method), "permission", "") in moves and takes(route.view, method)
        if route.template not in BASKET
        if getattr(limits.of_view(route.view, method), "what", "") != "money"
    ]
    assert uncounted == []


def test_beyond_its_class_a_page_says_so_and_when(client: Client, org: Org, monkeypatch: Any) -> None:
    monkeypatch.setitem(CLASSES, "search", Share(per_minute=2))
    signed_in(client, org.guide)
    assert [client.post("/g/members/", {"q": "李"}).status_code for _ in range(3)] == [200, 200, 429]
    page = client.post("/g/members/", {"q": "李"}, **HTML)
    assert (page.status_code, int(page["Retry-After"]) > 0, "点得太快了" in page.content.decode()) == (429, True, True)
    assert client.get("/g/members/").status_code == 200  # without words it is no search
    other = signed_in(Client(), org.manager)
    assert other.post("/g/members/", {"q": "李"}).status_code == 200


def test_an_endpoint_answers_a_code(client: Client, org: Org, monkeypatch: Any) -> None:
    monkeypatch.setitem(CLASSES, "jssdk", Share(per_minute=1))
    signed_in(client, org.guide)
    answers = [client.get("/api/v1/wecom/signature") for _ in range(2)]
    assert (answers[0].status_code, answers[1].status_code) == (422, 429)
    body = answers[1].json()
    assert (body["code"], body["retryable"]) == ("rate.limited", True)
    assert answers[1]["Retry-After"] == str(body["retry_after"])


# ---------------------------------------------------------------- everything


def test_everybody_has_so_many_requests_a_minute(client: Client, org: Org, settings: Any, monkeypatch: Any) -> None:
    settings.REQUESTS_PER_MINUTE = 20
    monkeypatch.setattr(limits.time, "time", lambda: 1_800_000_000.0)
    signed_in(client, org.guide)
    answers = [client.get("/me/").status_code for _ in range(22)]
    assert answers == [200] * 20 + [429] * 2
    assert signed_in(Client(), org.manager).get("/me/").status_code == 200
    page = client.get("/me/", **HTML)
    assert (page["Retry-After"], "请 60 秒后再试" in page.content.decode()) == ("60", True)


# ---------------------------------------------------------------- walking


def walk(client: Client, times: int, first: int = 1) -> list[int]:
    return [client.get(f"/api/v1/staff/{first + number}9999999/").status_code for number in range(times)]


def test_a_walker_is_put_out_and_told_and_the_administrators_see_it(client: Client, org: Org, settings: Any) -> None:
    settings.MISSES_LOCK = True
    signed_in(client, org.guide)
    other = signed_in(Client(), org.manager)
    assert walk(client, 30) == [404] * 30
    assert client.get("/me/").status_code == 200  # thirty are many, and still hers
    assert walk(client, 1, first=50) == [404]  # the answer tells nothing
    assert not StaffSession.objects.filter(staff=org.guide).exists()
    assert client.get("/me/").status_code == 401
    page = client.get("/login/", **HTML)
    assert "打开了太多不存在的地址" in page.content.decode()
    assert other.get("/me/").status_code == 200
    entry = AuditEntry.objects.get(action="auth.session_locked")
    assert (entry.actor_id, entry.working_role) == (org.guide.pk, "guide")
    told = locked_sessions(clock.now())
    assert (told["state"], told["count"], told["since"]) == ("slow", 1, entry.at)


def test_what_does_exist_counts_for_nothing(client: Client, org: Org, settings: Any) -> None:
    settings.MISSES_LOCK = True
    signed_in(client, org.guide)
    for _ in range(40):
        assert client.get(f"/api/v1/staff/{org.guide.pk}/").status_code == 200
    assert walk(client, 5) == [404] * 5
    assert client.get("/me/").status_code == 200


def test_nobody_signed_in_locks_nobody(client: Client, org: Org, settings: Any) -> None:
    settings.MISSES_LOCK = True
    for number in range(40):
        assert client.get(f"/no/such/{number}/").status_code == 404
    assert not AuditEntry.objects.filter(action="auth.session_locked").exists()
    assert locked_sessions(clock.now())["state"] == "ok"
