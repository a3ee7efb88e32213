"""Resolves the actor of each request from the session's person and the database of this moment."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from .actors import actor_of_request


class ResolveActor:
    """Sets `request.actor` and `request.user`; a person who may no longer sign in is nobody from this request on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        actor_of_request(request)
        return self.get_response(request)
