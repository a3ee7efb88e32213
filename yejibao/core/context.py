"""What every template may lean on."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from . import clock


def product(request: HttpRequest) -> dict[str, Any]:
    """Return the actor, the product's now and whether the WeCom stand-in is in use."""
    return {
        "actor": getattr(request, "actor", None),
        "now": clock.now(),
        "brand_name": settings.BRAND_NAME,
        "uses_sandbox": bool(settings.WECOM_SANDBOX_CONTROL),
        "wecom_corp_id": settings.WECOM_CORP_ID,
        "wecom_agent_id": settings.WECOM_AGENT_ID,
    }
