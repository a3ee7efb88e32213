"""Routes of the door: what the platform calls."""

from django.urls import URLPattern, URLResolver, path

from . import verify
from .inbox import pages

app_name = "wecom"

urlpatterns: list[URLPattern | URLResolver] = [
    path("WW_verify_<slug:mark>.txt", verify.verify_file, name="verify-file"),
    path("wecom/callback/<slug:app>/", pages.callback, name="callback"),
]
