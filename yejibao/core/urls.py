"""Health, API schema and its pages."""

from django.conf import settings
from django.urls import URLPattern, URLResolver, path
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView, SpectacularSwaggerView

from . import access, devpages, health, offline

signed_in = {"access": access.SignedIn(why="the schema names every route"), "permission_classes": [access.Declared]}
SchemaView = type("SchemaView", (SpectacularAPIView,), signed_in)
SwaggerView = type("SwaggerView", (SpectacularSwaggerView,), signed_in)
RedocView = type("RedocView", (SpectacularRedocView,), signed_in)

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("statusz", health.statusz, name="statusz"),
    path("metrics", health.metrics, name="metrics"),
    path("sw.js", offline.service_worker, name="service-worker"),
    path("api/schema/", SchemaView.as_view(), name="schema"),
    path("api/docs/", SwaggerView.as_view(url_name="schema"), name="docs"),
    path("api/docs/redoc/", RedocView.as_view(url_name="schema"), name="redoc"),
]
if not settings.PRODUCTION:
    urlpatterns += devpages.urlpatterns
