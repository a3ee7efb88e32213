"""Resolves the member of each request in the places of members; nowhere else does his session count."""

import logging
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, transaction
from django.http import HttpRequest, HttpResponse

from crm.members.models import Member
from yejibao.core import access, audit, clock, limits, logs, metrics
from yejibao.core.errors import TooMany, Unavailable
from yejibao.core.middleware import answer

from .models import MemberSession
from .sessions import find_session, member_actor

log = logging.getLogger(__name__)

BEARER = "Bearer "


class ResolveMember:
    """Sets `request.member_session` and `request.actor` below /my/, /i/ (cookie) and /api/v1/member/ (Bearer).

    Each of the two takes its own kind of session: no other site can make a browser send a header, so that the API needs no CSRF
    token, and a cookie opens no API.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not access.is_members_place(request.path_info):
            return self.get_response(request)
        try:
            session = session_of(request)
        except DatabaseError as error:
            log.warning("database unavailable while reading a member's session: %s", type(error).__name__)
            return answer(request, Unavailable(retry_after=5))
        request.member_session = session  # type: ignore[attr-defined]
        if session is None or session.member is None:
            return self.get_response(request)
        actor = member_actor(session.member, access.actor_of(request).session_facts)
        request.actor = actor  # type: ignore[attr-defined]
        logs.bind(member=session.member.pk)
        response = self.get_response(request)
        if response.status_code == 404 and settings.MISSES_LOCK:
            self._note_miss(session)
        if not request.path_info.startswith("/api/"):
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    @staticmethod
    def _note_miss(session: MemberSession) -> None:
        """End a session that walks through addresses that do not exist, as guides/org/walking.py does those of staff."""
        assert session.member is not None
        try:
            limits.hit("misses", f"member:{session.member.pk}")
        except TooMany:
            with transaction.atomic():
                audit.record(member_actor(session.member), "auth.session_locked", Member._meta.label,
                             resource_id=str(session.member.pk))  # fmt: skip
                session.delete()
            metrics.count_refused("locked", "misses")


def session_of(request: HttpRequest) -> MemberSession | None:
    """Return the member's session of a request: of the API by its header, of a page by its cookie."""
    now = clock.system_now()
    if request.path_info.startswith("/api/"):
        given = request.META.get("HTTP_AUTHORIZATION", "")
        token = given.removeprefix(BEARER) if given.startswith(BEARER) else ""
        return find_session(token, place=MemberSession.Place.MINI_PROGRAM, now=now)
    token = request.COOKIES.get(settings.MEMBER_COOKIE_NAME, "")
    return find_session(token, place=MemberSession.Place.H5, now=now)
