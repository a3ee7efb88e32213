"""Routes of the room: the page beside the chat, and the members."""

from django.urls import URLPattern, URLResolver, path

from . import pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("g/sidebar/", pages.sidebar, name="sidebar"),
    path("g/sidebar/panel/<slug:name>/", pages.sidebar_panel, name="sidebar-panel"),
    path("g/members/", pages.members, name="members"),
    path("g/members/<uuid:public_id>/", pages.member, name="member"),
]
