"""What every template may lean on."""

from functools import partial
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from . import clock, flat


def product(request: HttpRequest) -> dict[str, Any]:
    """Return the actor, the product's now, the one CSRF token of the answer and whether the WeCom stand-in is in use."""
    return {
        "actor": getattr(request, "actor", None),
        "now": clock.now(),
        "brand_name": settings.BRAND_NAME,
        "csrf_token": SimpleLazyObject(partial(flat.token, request)),
        "csrf_cookie": settings.CSRF_COOKIE_NAME,
        "uses_sandbox": bool(settings.WECOM_SANDBOX_CONTROL),
        "wecom_corp_id": settings.WECOM_CORP_ID,
        "wecom_agent_id": settings.WECOM_AGENT_ID,
    }
