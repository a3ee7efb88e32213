"""再确认: before a refund, an export or a role change, administrators and finance show once more that it is they.

    @access.permission("account.manage")
    @recently_confirmed                        # a page: leads to /me/confirm/ and back; also on the page with the form,
    def grant(request): ...                    # so that nobody fills it in first

    must_be_confirmed(request.actor)           # an endpoint or a service: raises ConfirmFirst (403 auth.confirm_required)

Others than CONFIRMING pass, and so does the system. What counts is told by the session: a sign-in or a confirmation of the
last ten minutes, by the factor that SECOND_FACTOR names. Source: reliability-security §11.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext_lazy as _

from yejibao.core import access, clock, hx
from yejibao.core.errors import Forbidden
from yejibao.core.scope import Actor

from .sessions import CONFIRMED

CONFIRMING = ("sys_admin", "finance")  # "admin and finance"
LASTS = timedelta(minutes=10)
PAGE = "/me/confirm/"
TOTP, WECOM = "totp", "wecom"
View = Callable[..., HttpResponse]


class ConfirmFirst(Forbidden):
    """Allowed, but it has to be shown first that it is really this person who asks."""

    code, title = "auth.confirm_required", _("请先确认是你本人")


def was_seen(actor: Actor, *ways: str) -> bool:
    """Tell whether this person was seen in the last minutes, in one of these ways (none: in any)."""
    way, at = actor.session_facts.get("confirmed_by", ""), actor.session_facts.get("confirmed_at", "")
    if not at or (ways and way not in ways):
        return False
    return clock.system_now() - datetime.fromisoformat(at) <= LASTS


def is_confirmed(actor: Actor) -> bool:
    """Tell whether an act that needs it may go on now."""
    if actor.is_system or not actor.has_role(*CONFIRMING):
        return True
    return was_seen(actor, TOTP) if settings.SECOND_FACTOR == TOTP else was_seen(actor)


def must_be_confirmed(actor: Actor) -> None:
    """Raise ConfirmFirst unless the act may go on."""
    if not is_confirmed(actor):
        raise ConfirmFirst(_("这一步要再确认一次是你本人，确认后十分钟内不再问。"), confirm_url=PAGE)


def recently_confirmed(view: View) -> View:
    """Let a page's view run only for people who need not confirm, or just did; others are led to it and back."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if is_confirmed(access.actor_of(request)):
            return view(request, *args, **kwargs)
        if hx.is_htmx(request):
            return hx.redirect(_address(request.headers.get("HX-Current-URL", "")))
        if "text/html" not in request.headers.get("Accept", ""):
            must_be_confirmed(access.actor_of(request))
        came_from = request.get_full_path() if request.method == "GET" else request.headers.get("Referer", "")
        return HttpResponseRedirect(_address(came_from))

    return guarded


def _address(came_from: str) -> str:
    parts = urlsplit(came_from)
    return f"{PAGE}?{urlencode({'next': parts.path + (f'?{parts.query}' if parts.query else '')})}"


def note_confirmed(session: Any, *, way: str, now: datetime) -> None:
    """Write into a session that its person was seen, by which factor."""
    session[CONFIRMED] = {"way": way, "at": now.isoformat()}
