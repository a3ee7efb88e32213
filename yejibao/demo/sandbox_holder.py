"""Who holds the pretended phone in `/sandbox/`, and what every one of its routes begins with."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from guides.org.models import Staff
from yejibao.core.errors import Malformed, SignInRequired

PERSON_COOKIE = "sandbox_person"

View = Callable[..., HttpResponse]


def only_with_stand_in(view: View) -> View:
    """Answer 404 where the product talks to the real platform."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not settings.WECOM_SANDBOX_CONTROL or settings.PRODUCTION:
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


def person_of(request: HttpRequest) -> Staff | None:
    """Return who holds this pretended phone."""
    userid = request.get_signed_cookie(PERSON_COOKIE, default="")
    if not userid:
        return None
    return Staff.objects.employed().select_related("store", "unit").filter(wecom_user_id=userid).first()


def need_person(request: HttpRequest) -> Staff:
    person = person_of(request)
    if person is None:
        raise SignInRequired(_("先选一个人"))
    return person


def number_of(request: HttpRequest, name: str) -> int:
    """Return a number of the query, 0 for anything else."""
    value = request.GET.get(name, "0")
    return int(value) if value.isdigit() else 0


def read_body(request: HttpRequest) -> dict[str, Any]:
    """Return the JSON object of the body. Raises Malformed."""
    try:
        body = json.loads(request.body or b"{}")
    except ValueError:
        raise Malformed() from None
    if not isinstance(body, dict):
        raise Malformed()
    return body
