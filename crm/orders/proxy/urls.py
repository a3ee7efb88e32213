"""Routes of the room."""

from django.urls import URLPattern, path

from . import address_pages, pages, panels, store_pages  # noqa: F401  hangs the room's panel

urlpatterns: list[URLPattern] = [
    path("g/proxy/", pages.home, name="proxy-home"),
    path("g/proxy/start/", pages.start, name="proxy-start"),
    path("g/proxy/<uuid:public_id>/", pages.basket, name="proxy"),
    path("g/proxy/<uuid:public_id>/pay/", pages.checkout_page, name="proxy-pay"),
    path("g/proxy/<uuid:public_id>/send/", pages.send, name="proxy-send"),
    path("g/proxy/<uuid:public_id>/state/", pages.state, name="proxy-state"),
    path("g/proxy/<uuid:public_id>/told/", pages.told, name="proxy-told"),
    path("g/proxy/<uuid:public_id>/decide/", pages.decide, name="proxy-decide"),
    path("g/proxy/<uuid:public_id>/address/", address_pages.address, name="proxy-address"),
    path("m/proxy/", store_pages.store_orders, name="proxy-orders"),
]
