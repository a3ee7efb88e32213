"""The file by which the console checks that a domain is ours: WW_verify_<mark>.txt at its root holds the mark."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from yejibao.core import access
from yejibao.core.errors import NotFound


@require_safe
@access.anonymous("the platform's console reads it before anybody can sign in")
def verify_file(request: HttpRequest, mark: str) -> HttpResponse:
    """Answer only for the files named in the settings."""
    if f"WW_verify_{mark}.txt" not in settings.WECOM_VERIFY_FILES:
        raise NotFound()
    return HttpResponse(mark, content_type="text/plain")
