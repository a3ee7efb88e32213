"""Routes of the room."""

from django.urls import URLPattern, URLResolver, path

from . import finance_pages, pages, panels  # noqa: F401  panels hang themselves

urlpatterns: list[URLPattern | URLResolver] = [
    path("g/wallet/", pages.wallet, name="wallet"),
    path("g/wallet/top-ups/", pages.top_ups, name="top-ups"),
    path("g/wallet/top-ups/<uuid:public_id>/", pages.top_up, name="top-up"),
    path("g/wallet/top-ups/<uuid:public_id>/settle/", pages.settle, name="top-up-settle"),
    path("g/wallet/top-ups/<uuid:public_id>/cancel/", pages.cancel, name="top-up-cancel"),
    path("g/wallet/<uuid:public_id>/", pages.member_wallet, name="wallet-member"),
    path("g/wallet/<uuid:public_id>/refund/", pages.ask_refund, name="wallet-ask-refund"),
    path("hq/wallet/", finance_pages.overview, name="wallet-hq"),
    path("hq/wallet/cards/<uuid:public_id>/", finance_pages.card, name="wallet-card"),
    path("hq/wallet/cards/<uuid:public_id>/act/", finance_pages.act_on_card, name="wallet-card-act"),
    path("hq/wallet/refunds/", finance_pages.refunds, name="wallet-refunds"),
    path("hq/wallet/refunds/<uuid:public_id>/", finance_pages.refund, name="wallet-refund"),
    path("hq/wallet/refunds/<uuid:public_id>/act/", finance_pages.act_on_refund, name="wallet-refund-act"),
    path("hq/wallet/totals/", finance_pages.totals, name="wallet-totals"),
]
