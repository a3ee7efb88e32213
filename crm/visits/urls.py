"""Routes of the room: who comes (guides), the chain and the lists (managers, HQ)."""

from django.urls import URLPattern, URLResolver, path

from . import figure_pages, group_pages, pages, panels  # noqa: F401  panels hang themselves

urlpatterns: list[URLPattern | URLResolver] = [
    path("g/visits/", pages.visits, name="visits"),
    path("g/visits/beside/", pages.beside, name="visit-beside"),
    path("g/visits/pieces/", pages.pieces, name="visit-pieces"),
    path("g/visits/<int:pk>/", pages.visit, name="visit"),
    path("g/visits/<int:pk>/act/", pages.act, name="visit-act"),
    path("g/visits/<int:pk>/share/", pages.share, name="visit-share"),
    path("g/visits/<int:pk>/sent/", pages.sent, name="visit-sent"),
    path("g/members/<uuid:public_id>/visits/new/", pages.new_visit, name="visit-new"),
    path("m/visits/", figure_pages.board, name="visit-board"),
    path("m/visits/list/", figure_pages.behind, name="visit-behind"),
    path("hq/visits/", figure_pages.hq_board, name="hq-visits"),
    path("hq/visits/list/", figure_pages.hq_behind, name="hq-visit-behind"),
    path("visits/groups/", group_pages.groups, name="visit-groups"),
    path("visits/groups/new/", group_pages.new_group, name="visit-group-new"),
    path("visits/groups/<int:pk>/", group_pages.group, name="visit-group"),
    path("visits/groups/<int:pk>/stop/", group_pages.stop, name="visit-group-stop"),
]
