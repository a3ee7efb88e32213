"""Resolves the actor of each request from the session's person and the database of this moment; keeps him to his share."""

import logging
from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse

from yejibao.core import access, at_once, limits, metrics
from yejibao.core.errors import DomainError, TooMany, Unavailable
from yejibao.core.middleware import answer
from yejibao.core.scope import Actor

from .actors import actor_of_request, facts_of
from .tokens import take_token
from .walking import note_miss

log = logging.getLogger(__name__)


class ResolveActor:
    """Sets `request.actor` and `request.user`; a person who may no longer sign in is nobody from this request on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if access.is_members_place(request.path_info):  # whoever is signed in as staff is nobody there
            request.actor = Actor(session_facts=facts_of(request))  # type: ignore[attr-defined]
            request.user = AnonymousUser()
            return self.get_response(request)
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
        actor = access.actor_of(request)
        if not actor.key:
            return self._answer(request)
        try:
            limits.count_request(_share_of(actor))
        except TooMany as refusal:
            return _too_often(request, refusal, "everything")
        response = self._answer(request)
        if response.status_code == 404 and actor.staff_id:
            note_miss(request, actor=access.actor_of(request))
        return response

    def _answer(self, request: HttpRequest) -> HttpResponse:
        try:
            return self.get_response(request)
        finally:
            if underway := getattr(request, "underway", None):
                underway.end()

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        limited = limits.of_view(view, request.method or "GET")
        if limited is None or not limited.counts(request):
            return None
        actor = access.actor_of(request)
        if not actor.key and _wants_somebody(view):
            return None  # turned away by the view: nobody's share
        who = _share_of(actor) or limits.address_of(request)
        try:
            limits.hit(limited.what, who)
            request.underway = at_once.begin(limited.what, who)  # type: ignore[attr-defined]
        except TooMany as refusal:
            return _too_often(request, refusal, limited.what)
        return None


def _wants_somebody(view: Any) -> bool:
    rule = getattr(view, "access", None) or getattr(getattr(view, "cls", None), "access", None)
    return isinstance(rule, access.Rule) and rule.needs_sign_in


def _share_of(actor: Actor) -> str:
    """Return whose share a request is taken from; empty for nobody."""
    return str(actor.staff_id) if actor.staff_id else actor.key


def _too_often(request: HttpRequest, refusal: TooMany, what: str) -> HttpResponse:
    metrics.count_refused("limited", what)
    return answer(request, refusal)
