"""Routes of the room."""

from django.urls import URLPattern, URLResolver, path

from . import pages, panels  # noqa: F401  panels hang themselves

urlpatterns: list[URLPattern | URLResolver] = [
    path("hq/tags/", pages.corp_tags, name="corp-tags"),
    path("hq/tags/sync/", pages.sync, name="corp-tags-sync"),
]
