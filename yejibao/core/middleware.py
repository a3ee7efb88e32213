"""Request id and the one way a refusal looks on a page."""

import logging
import uuid
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from .errors import DomainError, Internal, as_domain_error, problem_response

log = logging.getLogger("yejibao.request")


class RequestId:
    """Give each request an id, taken over from the proxy when it is well-formed."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-Id", "")
        request.request_id = given if 8 <= len(given) <= 64 and given.isalnum() else uuid.uuid4().hex  # type: ignore[attr-defined]
        response = self.get_response(request)
        response["X-Request-Id"] = request.request_id  # type: ignore[attr-defined]
        if request.path.startswith("/api/"):
            response.setdefault("Cache-Control", "no-store")
        return response


class Problems:
    """Turn refusals of HTML views into a page (or a fragment, for htmx) with one sentence; JSON callers get problem+json."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        problem = as_domain_error(error)
        if problem is None:
            log.exception("unhandled error on %s %s", request.method, request.path)
            problem = Internal()
        return answer(request, problem)


def answer(request: HttpRequest, problem: DomainError) -> HttpResponse:
    """Return a problem in the caller's language: page, htmx fragment or problem+json."""
    request_id = getattr(request, "request_id", "")
    wants_html = "text/html" in request.headers.get("Accept", "")
    if request.headers.get("HX-Request"):
        template = "components/problem_fragment.html"
    elif wants_html and not request.path.startswith("/api/"):
        template = "components/problem.html"
    else:
        return problem_response(problem, path=request.path, request_id=request_id)
    response = render(request, template, {"problem": problem, "request_id": request_id}, status=problem.status)
    if "retry_after" in problem.extra:
        response["Retry-After"] = str(problem.extra["retry_after"])
    return response
