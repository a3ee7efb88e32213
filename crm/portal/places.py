"""Whose page or call it is, which row of his it is about, and where he goes back to."""

from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import Resolver404, resolve
from django.utils.http import url_has_allowed_host_and_scheme

from crm.members.models import Member
from yejibao.core import access
from yejibao.core.errors import NotFound, SignInRequired

from .models import MemberSession

HOME = "/my/"
Row = TypeVar("Row", bound=Model)


def session_of(request: HttpRequest) -> MemberSession | None:
    """Return the session the middleware found; None where nobody is signed in."""
    return getattr(request, "member_session", None)


def member_of(request: HttpRequest) -> Member:
    """Return whose page this is. Raises SignInRequired."""
    session = session_of(request)
    if session is None or session.member is None:
        raise SignInRequired()
    return session.member


def find_one(rows: QuerySet[Row], public_id: UUID | str, *, otherwise: Any = "") -> Row:
    """Return one of these rows by its public id. Raises NotFound, of another member's row as of one that is not there.

    `otherwise` is what to say then.
    """
    row = rows.filter(public_id=public_id).first()
    if row is None:
        raise NotFound(otherwise)
    return row


def safe_return(path: str) -> str:
    """Return the path if it is one of members' own pages, else their home."""
    if not access.is_members_place(path) or path.startswith("/api/"):
        return HOME
    if not url_has_allowed_host_and_scheme(path, allowed_hosts=None):
        return HOME
    try:
        resolve(urlsplit(path).path)
    except Resolver404:
        return HOME
    return path
