"""Resolves the actor of each request from the session's person and the database of this moment; keeps him to his share."""

import logging
from collections.abc import Callable
from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse

from yejibao.core import access, limits, metrics
from yejibao.core.errors import DomainError, TooMany, Unavailable
from yejibao.core.middleware import answer

from .actors import actor_of_request
from .tokens import take_token
from .walking import note_miss

log = logging.getLogger(__name__)


class ResolveActor:
    """Sets `request.actor` and `request.user`; a person who may no longer sign in is nobody from this request on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        take_token(request)
        try:
            actor_of_request(request)
        except DomainError as refusal:
            return answer(request, refusal)
        except DatabaseError as error:
            log.warning("database unavailable while reading the session: %s", type(error).__name__)
            return answer(request, Unavailable(retry_after=5))
        return self.get_response(request)


class KeepShares:
    """How often one person may ask at all, and for what a route's class allows (core/limits); and who walks through ids."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        staff_id = access.actor_of(request).staff_id
        if staff_id is None:
            return self.get_response(request)
        try:
            limits.count_request(str(staff_id))
        except TooMany as refusal:
            return _too_often(request, refusal, "everything")
        response = self.get_response(request)
        if response.status_code == 404:
            note_miss(request, actor=access.actor_of(request))
        return response

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        limited = limits.of_view(view, request.method or "GET")
        if limited is None or not limited.counts(request):
            return None
        try:
            limits.hit(limited.what, str(access.actor_of(request).staff_id or limits.address_of(request)))
        except TooMany as refusal:
            return _too_often(request, refusal, limited.what)
        return None


def _too_often(request: HttpRequest, refusal: TooMany, what: str) -> HttpResponse:
    metrics.count_refused("limited", what)
    return answer(request, refusal)
