"""Overload: a web process takes in so many requests at a time; beyond a rank's share of them that rank is turned away.

    @access.signed_in
    @traffic.rank(TODAY)                  # a page; an endpoint has `rank = TODAY`, or a dict by action
    def today(request): ...

Who survives longest comes first (reliability-security §11): callbacks and payments, the cashier, a guide's 今日, lists,
dashboards, exports. A route that declares none has the rank of its kind (`_of_kind`). In quiet times this costs one count:
the route is looked up only when the process is as full as the least rank allows.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from functools import cache, lru_cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import Resolver404, resolve
from django.utils.html import escape
from django.utils.translation import gettext_lazy as _

from . import metrics
from .errors import DomainError, Unavailable

RETRY_AFTER = 5


class Rank(IntEnum):
    """What a route is worth when there is too much. The value is the share of the places it may fill, in eighths."""

    EXPORTS = 2
    DASHBOARDS = 3
    LISTS = 4
    TODAY = 5
    CASHIER = 6
    PAYMENTS = 16  # and callbacks, and what tells the load balancer that we live: twice all places


EXPORTS, DASHBOARDS, LISTS = Rank.EXPORTS, Rank.DASHBOARDS, Rank.LISTS
TODAY, CASHIER, PAYMENTS = Rank.TODAY, Rank.CASHIER, Rank.PAYMENTS

# By the beginning of a path, for routes that declare nothing; the first that fits.
BY_PLACE = (
    ("/wecom/callback/", PAYMENTS), ("/callbacks/", PAYMENTS), ("/healthz", PAYMENTS), ("/readyz", PAYMENTS), ("/metrics", PAYMENTS), ("/statusz", PAYMENTS),
    ("/api/v1/feed/", CASHIER), ("/api/v1/intake/", CASHIER), ("/me/exports/", EXPORTS),
    ("/login/", TODAY), ("/static/", TODAY), ("/g/today", TODAY), ("/g/tasks/", TODAY), ("/g/sidebar/", TODAY),
    ("/hq/", DASHBOARDS), ("/m/", DASHBOARDS), ("/api/docs", DASHBOARDS), ("/api/schema", DASHBOARDS),
)  # fmt: skip

AHEAD = tuple(beginning for beginning, value in BY_PLACE if value is PAYMENTS)  # short, and never behind a slow page

View = Callable[..., HttpResponse]


class Overloaded(Unavailable):
    code, title = "overloaded", _("现在用的人太多")


def rank(value: Rank) -> Callable[[View], View]:
    """Declare what a page is worth."""

    def declare(view: View) -> View:
        view.rank = value  # type: ignore[attr-defined]
        return view

    return declare


@lru_cache(maxsize=2048)
def rank_of(path: str, method: str) -> Rank:
    """Return the rank of what a path leads to: as declared, else by its kind."""
    try:
        view: Any = resolve(path).func
    except Resolver404:
        return _of_kind(path, method)
    declared = getattr(view, "rank", None)
    if declared is None and (drf_class := getattr(view, "cls", None)) is not None:
        declared = getattr(drf_class, "rank", None)
        if isinstance(declared, dict):
            declared = declared.get((getattr(view, "actions", None) or {}).get(method.lower(), method.lower()))
    return declared if isinstance(declared, Rank) else _of_kind(path, method)


def _of_kind(path: str, method: str) -> Rank:
    for beginning, value in BY_PLACE:
        if path.startswith(beginning):
            return value
    return LISTS if method in ("GET", "HEAD", "OPTIONS") else TODAY  # what somebody did is worth more than a look


class Turns:
    """So many at a time, the others strictly in the order they came: who leaves hands his place to the first who waits.

    `threading.Semaphore` frees the place for whoever is quickest, and under load the one who waits longest is passed over.
    """

    def __init__(self, places: int) -> None:
        self.free = places
        self.lock = threading.Lock()
        self.waiting: deque[threading.Lock] = deque()

    def __enter__(self) -> None:
        with self.lock:
            if self.free:
                self.free -= 1
                return
            mine = threading.Lock()
            mine.acquire()
            self.waiting.append(mine)
        mine.acquire()

    def __exit__(self, *error: object) -> None:
        with self.lock:
            if self.waiting:
                self.waiting.popleft().release()
            else:
                self.free += 1


_here = threading.local()  # `turns`: those of the request this thread serves


@contextmanager
def elsewhere() -> Iterator[None]:
    """Let somebody else be served while this request waits for another system; a platform that hangs holds up no page."""
    turns: Turns | None = getattr(_here, "turns", None)
    if turns is None:
        yield
        return
    turns.__exit__()
    _here.turns = None  # within a wait there is nothing more to give
    try:
        yield
    finally:
        turns.__enter__()
        _here.turns = turns


class Shed:
    """The first in line: count who is inside, and turn away, with no look at database or Redis, who finds no place.

    Of those inside only WEB_AT_ONCE are served, the others wait in the order they came: more threads than that take the
    interpreter's lock and the database's connections from each other, and every page gets slower.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.lock = threading.Lock()
        self.inside = 0
        self.served = Turns(settings.WEB_AT_ONCE)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not self._enter(EXPORTS):
            value = rank_of(request.path_info, request.method or "GET")
            if not self._enter(value):
                return _turned_away(request, value)
        try:
            if request.path_info.startswith(AHEAD):
                return self.get_response(request)
            with self.served:
                _here.turns = self.served
                try:
                    return self.get_response(request)
                finally:
                    _here.turns = None
        finally:
            with self.lock:
                self.inside -= 1

    def _enter(self, value: Rank) -> bool:
        """Take a place if this rank may have one more. Who is turned away takes none, however many they are."""
        most = settings.WEB_PLACES * value // 8
        with self.lock:
            if self.inside >= most:
                return False
            self.inside += 1
            return True


def _turned_away(request: HttpRequest, value: Rank) -> HttpResponse:
    metrics.count_refused("shed", value.name.lower())
    problem = Overloaded(_("你的内容没有丢，请过几秒再试。"), retry_after=RETRY_AFTER)
    headers = {"Retry-After": str(RETRY_AFTER), "Cache-Control": "no-store"}
    is_page = "text/html" in request.META.get("HTTP_ACCEPT", "") and not request.path_info.startswith("/api/")
    if is_page or request.META.get("HTTP_HX_REQUEST"):
        return HttpResponse(_page(), status=503, headers=headers)
    body = problem.problem(instance=request.path)
    return JsonResponse(body, status=503, headers=headers, content_type="application/problem+json")


@cache
def _page() -> str:
    """Return a page that needs no template, no session and no file."""
    problem: DomainError = Overloaded()
    return (
        '<!doctype html><html lang="zh-CN"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(problem.title)}</title><main style='max-width:26em;margin:20vh auto;padding:0 20px;font:16px/1.7 sans-serif'>"
        f"<h1 style='font-size:22px'>{escape(problem.title)}</h1><p>你的内容没有丢，请过几秒再打开。</p></main></html>"
    )
