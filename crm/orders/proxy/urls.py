"""Routes of the room."""

from django.urls import URLPattern, path

from . import address_pages, panels, store_pages  # noqa: F401  hangs the room's panel
from .pages import choosing, paying, standing

urlpatterns: list[URLPattern] = [
    path("g/proxy/", choosing.home, name="proxy-home"),
    path("g/proxy/start/", choosing.start, name="proxy-start"),
    path("g/proxy/<uuid:public_id>/", choosing.basket, name="proxy"),
    path("g/proxy/<uuid:public_id>/pay/", paying.checkout_page, name="proxy-pay"),
    path("g/proxy/<uuid:public_id>/send/", paying.send, name="proxy-send"),
    path("g/proxy/<uuid:public_id>/state/", standing.state, name="proxy-state"),
    path("g/proxy/<uuid:public_id>/told/", standing.told, name="proxy-told"),
    path("g/proxy/<uuid:public_id>/decide/", standing.decide, name="proxy-decide"),
    path("g/proxy/<uuid:public_id>/address/", address_pages.address, name="proxy-address"),
    path("m/proxy/", store_pages.store_orders, name="proxy-orders"),
]
