"""Routes of the room."""

from django.urls import URLPattern, URLResolver, path

from . import card_pages, pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("hq/privacy/", pages.requests, name="privacy-requests"),
    path("hq/privacy/new/", pages.new_request, name="privacy-new"),
    path("hq/privacy/reveals/", pages.reveals, name="privacy-reveals"),
    path("hq/privacy/texts/", pages.texts, name="privacy-texts"),
    path("hq/privacy/<int:pk>/", pages.one_request, name="privacy-request"),
    path("hq/privacy/<int:pk>/act/", pages.act, name="privacy-act"),
    path("hq/privacy/<int:pk>/number/", pages.number, name="privacy-number"),
    path("hq/privacy/<int:pk>/copy/", pages.copy, name="privacy-copy"),
    path("m/reveals/", pages.store_reveals, name="store-reveals"),
    path("g/members/<uuid:public_id>/reveal/<slug:what>/", card_pages.reveal, name="member-reveal"),
    path("g/members/<uuid:public_id>/allows/", card_pages.allows, name="member-allows"),
]
