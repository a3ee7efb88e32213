"""Routes of the room: the tags of one member."""

from django.urls import URLPattern, URLResolver, path

from . import pages, panels  # noqa: F401  panels hang themselves

urlpatterns: list[URLPattern | URLResolver] = [
    path("g/members/<uuid:public_id>/tags/", pages.editor, name="member-tags"),
    path("g/members/<uuid:public_id>/tags/<slug:key>/", pages.change, name="member-tag"),
    path("g/members/<uuid:public_id>/tags/<slug:key>/back/", pages.back, name="member-tag-back"),
]
