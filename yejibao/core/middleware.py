"""Each request has an id, leaves one log line and one count; and the one way a refusal looks on a page."""

import logging
import re
import uuid
from collections.abc import Callable
from functools import cache
from time import perf_counter

from csp.constants import HEADER
from csp.middleware import CheckableLazyObject, CSPMiddleware
from csp.utils import build_policy
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.csrf import csrf_failure as django_csrf_failure
from django.views.defaults import page_not_found

from . import hx, logs, metrics
from .errors import DomainError, Internal, NotFound, SignInRequired, as_domain_error, problem_response

log = logging.getLogger("yejibao.request")

WELL_FORMED = re.compile(r"[0-9A-Za-z-]{8,64}")
NOTHING_NEW = 304  # what an open page asks for every few seconds (core/live.py)
# Every few seconds, or many a page, or kept as a row of the inbox: counted, and told only where refused.
ASKED_BY_MACHINES = {"healthz", "readyz", "metrics", "static", "wecom:callback", "wechatpay:notice"}


class Trace:
    """Give each request an id, taken over from the proxy when it is well-formed; count it and tell how it went.

    The line names the route, never the path or the query: what people search for stands there.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = perf_counter()
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if WELL_FORMED.fullmatch(given) else uuid.uuid4().hex
        request.request_id = request_id  # type: ignore[attr-defined]
        logs.start(request_id=request_id)
        response = self.get_response(request)
        response["X-Request-Id"] = request_id
        if request.path.startswith("/api/"):
            response["Cache-Control"] = "no-store"
        self._note(request, response.status_code, perf_counter() - began)
        return response

    def _note(self, request: HttpRequest, status: int, seconds: float) -> None:
        route = _route_of(request)
        metrics.count_request(route, status, seconds)
        if route in ASKED_BY_MACHINES and status < 400 or status == NOTHING_NEW:
            return
        facts = {"route": route, "method": request.method, "status": status, "ms": round(seconds * 1000, 1)}
        level = logging.WARNING if status >= 500 else logging.INFO
        if log.isEnabledFor(level):
            # Not log.log(): it walks the stack for the place of this call, which is always this one.
            log.handle(log.makeRecord(log.name, level, "", 0, "request", (), None, extra={"facts": facts}))


def _route_of(request: HttpRequest) -> str:
    match = request.resolver_match
    if match is not None:
        return match.view_name or match.route
    return "static" if request.path.startswith(settings.STATIC_URL) else "-"


class ContentPolicy(CSPMiddleware):
    """django-csp, which would put the same policy together for each answer anew: built once, the nonce put in.

    And what pages may ask the device for, which Django has no header of its own for.
    """

    PERMISSIONS = "geolocation=(self), camera=(self)"
    NONCE = "fill-me-in"  # no nonce of its own looks like this: those are base64
    TOO_LATE = CheckableLazyObject(CSPMiddleware._csp_nonce_post_response)

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response.headers.setdefault("Permissions-Policy", self.PERMISSIONS)
        if settings.DEBUG or HEADER in response or any(name.startswith("_csp") for name in response.__dict__):
            return super().process_response(request, response)
        nonce = getattr(request, "_csp_nonce", None)
        if nonce is None:
            request.csp_nonce = self.TOO_LATE  # type: ignore[attr-defined]
            response[HEADER] = self._policy("")
        else:
            response[HEADER] = self._policy(self.NONCE).replace(self.NONCE, nonce)
        return response

    @staticmethod
    @cache
    def _policy(nonce: str) -> str:
        return str(build_policy(nonce=nonce))


class Problems:
    """Turn refusals of HTML views into a page (or a fragment, for htmx) with one sentence; JSON callers get problem+json."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        problem = as_domain_error(error)
        if problem is None:
            log.exception("unhandled error", extra={"facts": {"route": _route_of(request), "method": request.method}})
            problem = Internal()
        return answer(request, problem)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say that there is no such address: to programs as any other refusal, to people with a page (`handler404`)."""
    if request.path.startswith("/api/"):
        return answer(request, NotFound())
    return page_not_found(request, exception)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Tell a script whose session has ended that it has; a form that lost its token gets Django's page."""
    actor = getattr(request, "actor", None)
    if (actor is None or actor.kind == "anonymous") and request.headers.get("X-Requested-With") == "fetch":
        return answer(request, SignInRequired())
    return django_csrf_failure(request, reason)


def answer(request: HttpRequest, problem: DomainError) -> HttpResponse:
    """Return a problem in the caller's language: page, htmx fragment or problem+json."""
    request_id = getattr(request, "request_id", "")
    if request.headers.get("HX-Request"):
        template = "components/problem_fragment.html"
    elif hx.wants_page(request) and not request.path.startswith("/api/"):
        template = "components/problem.html"
    else:
        return problem_response(problem, path=request.path, request_id=request_id)
    response = render(request, template, {"problem": problem, "request_id": request_id}, status=problem.status)
    if "retry_after" in problem.extra:
        response["Retry-After"] = str(problem.extra["retry_after"])
    return response
