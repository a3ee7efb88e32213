"""Every route says who may call it; a route that says nothing answers nobody and fails the routes x roles test.

Function views take a decorator, DRF views a class attribute:

    @access.roles("guide", "store_manager")
    def today(request): ...

    class TaskViewSet(...):
        access = access.Permission("task.progress_view")
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext_lazy as _
from rest_framework.permissions import BasePermission

from . import words
from .errors import Forbidden, SignInRequired
from .scope import Actor

NAMED_MOST = 5  # roles a refusal names
# Where members are at home. Their sessions count here and nowhere else, those of staff everywhere but here.
MEMBER_PLACES = ("/my/", "/api/v1/member/", "/i/")


def page_permission(route: str) -> str:
    """Return the permission that a page for some roles is by itself: `page.guides.shifts` of the route `guides:shifts`."""
    return f"page.{route.replace(':', '.')}"


@dataclass(frozen=True)
class Rule:
    """Who may call a route. `allows` is asked with the request's actor."""

    why: str = ""

    def allows(self, actor: Actor) -> bool:
        raise NotImplementedError

    @property
    def needs_sign_in(self) -> bool:
        return True

    @property
    def sign_in_page(self) -> str:
        """Return where a browser is sent at which nobody is signed in."""
        return "/login/"

    def refusal(self, route: str) -> Forbidden:
        """Return what somebody signed in is told who may not call `route` (its name in the URLconf)."""
        return Forbidden(permission=page_permission(route))


@dataclass(frozen=True)
class Anonymous(Rule):
    """Open to all; `why` is required, since it is the exception."""

    def allows(self, actor: Actor) -> bool:
        return True

    @property
    def needs_sign_in(self) -> bool:
        return False


@dataclass(frozen=True)
class SignedIn(Rule):
    def allows(self, actor: Actor) -> bool:
        return actor.kind in ("staff", "system")


@dataclass(frozen=True)
class Roles(Rule):
    roles: tuple[str, ...] = ()

    def allows(self, actor: Actor) -> bool:
        return actor.kind in ("staff", "system") and actor.has_role(*self.roles)

    def refusal(self, route: str) -> Forbidden:
        names = [words.role_name(role) for role in self.roles]
        said = "、".join(names) if len(names) <= NAMED_MOST else _("%(count)d 个岗位") % {"count": len(names)}
        return Forbidden(
            _("这里给%(roles)s用。你也要用的话，请系统管理员在「人员」里给你加岗位。") % {"roles": said},
            permission=page_permission(route),
        )


@dataclass(frozen=True)
class Permission(Rule):
    permission: str = ""

    def allows(self, actor: Actor) -> bool:
        return actor.kind in ("staff", "system") and actor.may(self.permission)

    def refusal(self, route: str) -> Forbidden:
        return Forbidden(permission=self.permission)


@dataclass(frozen=True)
class Members(Rule):
    """A member on his own phone, in the places of members; what he reads is his own (`Actor.member_id`)."""

    def allows(self, actor: Actor) -> bool:
        return actor.kind == "member"

    @property
    def sign_in_page(self) -> str:
        return "/my/enter/"


@dataclass(frozen=True)
class Token(Rule):
    """A machine with a token of its own (order feed); the view checks it."""

    def allows(self, actor: Actor) -> bool:
        return True

    @property
    def needs_sign_in(self) -> bool:
        return False


def actor_of(request: HttpRequest) -> Actor:
    """Return who asks, as the middleware found out: staff, a member, the system or nobody."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    return actor


def is_members_place(path: str) -> bool:
    """Tell whether a path is one where members are at home."""
    return path.startswith(MEMBER_PLACES)


def check(rule: Rule, request: HttpRequest) -> None:
    """Let the request pass or raise SignInRequired / Forbidden (with the permission's name)."""
    actor = actor_of(request)
    if rule.needs_sign_in and actor.kind == "anonymous":
        raise SignInRequired()
    if not rule.allows(actor):
        match = request.resolver_match
        raise rule.refusal(match.view_name if match else "")


View = Callable[..., HttpResponse]


def _declare(rule: Rule) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                check(rule, request)
            except SignInRequired:
                if request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
                    return HttpResponseRedirect(f"{rule.sign_in_page}?next={quote(request.get_full_path())}")
                raise
            return view(request, *args, **kwargs)

        guarded.access = rule  # type: ignore[attr-defined]
        return guarded

    return decorate


def roles(*names: str) -> Callable[[View], View]:
    """Only people who hold one of these roles."""
    return _declare(Roles(roles=names))


def permission(name: str) -> Callable[[View], View]:
    """Only people with this permission of `org_and_roles.yaml`."""
    return _declare(Permission(permission=name))


def anonymous(why: str) -> Callable[[View], View]:
    """Everybody, for a stated reason."""
    return _declare(Anonymous(why=why))


def token(why: str) -> Callable[[View], View]:
    """A machine with a token, or an address of ours; the view checks it."""
    return _declare(Token(why=why))


signed_in = _declare(SignedIn())
member = _declare(Members())


class Declared(BasePermission):
    """DRF's default permission: asks the view's `access`; a view without one is closed to all."""

    def has_permission(self, request: Any, view: Any) -> bool:
        rule: Rule | None = getattr(view, "access", None)
        if isinstance(rule, dict):  # one rule per action
            rule = rule.get(getattr(view, "action", None) or request.method.lower(), rule.get("*"))
        if rule is None:
            return False
        check(rule, request._request)
        return True
