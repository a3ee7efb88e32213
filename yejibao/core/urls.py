"""Health, API schema and its pages."""

from django.conf import settings
from django.urls import URLPattern, URLResolver, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from . import devpages, health, offline
from .access import Declared, SignedIn


class SchemaView(SpectacularAPIView):
    access = SignedIn(why="the schema names every route")
    permission_classes = [Declared]


class DocsView(SpectacularSwaggerSplitView):  # split: no inline script, which our content security policy refuses
    access = SignedIn(why="the schema names every route")
    permission_classes = [Declared]


urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("statusz", health.statusz, name="statusz"),
    path("metrics", health.metrics, name="metrics"),
    path("sw.js", offline.service_worker, name="service-worker"),
    path("api/schema/", SchemaView.as_view(), name="schema"),
    path("api/docs/", DocsView.as_view(url_name="schema"), name="docs"),
]
if not settings.PRODUCTION:
    urlpatterns += devpages.urlpatterns
