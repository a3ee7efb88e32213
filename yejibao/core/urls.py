"""Health, API schema and its pages."""

from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from . import devpages, offline, probes
from .access import Declared, SignedIn
from .files import pages as files
from .openapi import Description


class SchemaView(SpectacularAPIView):
    access = SignedIn(why="the schema names every route")
    permission_classes = [Declared]
    generator_class = Description


class DocsView(SpectacularSwaggerSplitView):  # split: no inline script, which our content security policy refuses
    access = SignedIn(why="the schema names every route")
    permission_classes = [Declared]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Send a person who is not signed in to the sign-in page: this is a page, not an endpoint."""
        if request.actor.kind == "anonymous" and "text/html" in request.headers.get("Accept", ""):  # type: ignore[attr-defined]
            return redirect_to_login(request.get_full_path(), login_url="/login/")
        return super().dispatch(request, *args, **kwargs)


urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", probes.healthz, name="healthz"),
    path("readyz", probes.readyz, name="readyz"),
    path("statusz", probes.statusz, name="statusz"),
    path("metrics", probes.prometheus, name="metrics"),
    path("files/", files.upload, name="file-upload"),
    path("files/<uuid:name>/", files.file, name="file"),
    path("sw.js", offline.service_worker, name="service-worker"),
    path("api/schema/", SchemaView.as_view(), name="schema"),
    path("api/docs/", DocsView.as_view(url_name="schema"), name="docs"),
]
if not settings.PRODUCTION:
    urlpatterns += devpages.urlpatterns
