"""Routes of the room."""

from django.urls import URLPattern, URLResolver, path

from . import api, pages, sidebar_pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("g/scripts/", pages.scripts, name="scripts"),
    path("g/scripts/mine/new/", pages.own_words, name="script-own-new"),
    path("g/scripts/mine/<int:pk>/", pages.own_words, name="script-own"),
    path("g/scripts/mine/<int:pk>/delete/", pages.own_words_delete, name="script-own-delete"),
    path("g/scripts/<slug:key>/favourite/", pages.favourite, name="script-favourite"),
    path("g/sidebar/scripts/", sidebar_pages.found, name="sidebar-scripts"),
    path("g/sidebar/scripts/ask/", sidebar_pages.ask, name="sidebar-scripts-ask"),
    path("g/sidebar/scripts/said/", sidebar_pages.said, name="sidebar-scripts-said"),
    path("api/v1/scripts/", api.ScriptListView.as_view(), name="api-scripts"),
    path("api/v1/scripts/<slug:key>/favourite/", api.ScriptFavouriteView.as_view(), name="api-script-favourite"),
]
