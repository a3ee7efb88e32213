"""Routes of the room: the page beside the chat, and the members."""

from django.urls import URLPattern, URLResolver, path

from . import handover_pages, pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("g/sidebar/", pages.sidebar, name="sidebar"),
    path("g/sidebar/panel/<slug:name>/", pages.sidebar_panel, name="sidebar-panel"),
    path("g/members/", pages.members, name="members"),
    path("g/members/<uuid:public_id>/", pages.member, name="member"),
    path("m/handovers/", handover_pages.handovers, name="handovers"),
    path("m/handovers/<int:pk>/heir/", handover_pages.heir, name="handover-heir"),
]
