"""Resolves the actor of each request from the session's person and the database of this moment."""

import logging
from collections.abc import Callable

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse

from yejibao.core.errors import DomainError, Unavailable
from yejibao.core.middleware import answer

from .actors import actor_of_request
from .tokens import take_token

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
