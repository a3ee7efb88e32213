"""The service worker, served at the root of the site: its place decides which pages it may keep for reading offline."""

from functools import cache
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from . import access


@cache
def _script() -> bytes:
    return (Path(settings.BASE_DIR) / "static" / "js" / "sw.js").read_bytes()


@access.anonymous("a script without data; the browser fetches it without credentials")
@require_safe
def service_worker(request: HttpRequest) -> HttpResponse:
    """Serve static/js/sw.js at `/sw.js`, always asked for anew."""
    return HttpResponse(_script(), content_type="text/javascript; charset=utf-8", headers={"Cache-Control": "no-cache"})
