"""Routes of the room: codes, new friends, who they are, the sweep."""

from django.urls import URLPattern, URLResolver, path

from . import pages, panels, review_pages, sidebar_pages  # noqa: F401  panels hang themselves

urlpatterns: list[URLPattern | URLResolver] = [
    path("g/code/", pages.code, name="code"),
    path("g/code/make/", pages.make_code, name="code-make"),
    path("g/code/<int:pk>/qr.png", pages.picture, name="code-picture"),
    path("g/code/<int:pk>/poster/", pages.poster, name="code-poster"),
    path("g/code/<int:pk>/poster.png", pages.poster_picture, name="code-poster-picture"),
    path("g/friends/", pages.friends, name="new-friends"),
    path("g/sidebar/find/", sidebar_pages.find, name="sidebar-find"),
    path("g/sidebar/link/", sidebar_pages.link, name="sidebar-link"),
    path("g/sidebar/unlink/", sidebar_pages.unlink, name="sidebar-unlink"),
    path("g/sidebar/register/", sidebar_pages.register, name="sidebar-register"),
    path("m/codes/", pages.codes, name="codes"),
    path("m/codes/<int:pk>/retire/", pages.retire, name="code-retire"),
    path("m/codes/<int:pk>/retry/", pages.retry, name="code-retry"),
    path("m/links/", review_pages.reviews, name="links"),
    path("m/links/<int:pk>/", review_pages.decide, name="link-decide"),
    path("m/links/<int:pk>/undo/", review_pages.undo, name="link-undo"),
    path("m/merges/<int:pk>/undo/", review_pages.undo_a_merge, name="merge-undo"),
    path("hq/codes/", pages.codes, name="codes-hq"),
    path("hq/codes/<int:pk>/retire/", pages.retire, name="code-retire-hq"),
    path("hq/codes/<int:pk>/retry/", pages.retry, name="code-retry-hq"),
    path("hq/links/", review_pages.reviews, name="links-hq"),
    path("hq/links/<int:pk>/", review_pages.decide, name="link-decide-hq"),
    path("hq/links/<int:pk>/undo/", review_pages.undo, name="link-undo-hq"),
    path("hq/merges/", review_pages.merge, name="merge"),
    path("hq/merges/<int:pk>/undo/", review_pages.undo_a_merge, name="merge-undo-hq"),
    path("hq/friends/", pages.sync, name="friends-sync"),
    path("hq/friends/sync/", pages.begin_sync, name="friends-sync-begin"),
]
