"""Routes of the room: the guide's phone, the stylists' PC."""

from django.urls import URLPattern, URLResolver, path

from . import goods_pages, hq_pages, pages, panels  # noqa: F401  panels hang themselves

urlpatterns: list[URLPattern | URLResolver] = [
    path("g/members/<uuid:public_id>/outfits/", pages.week, name="outfit-week"),
    path("g/members/<uuid:public_id>/outfits/swaps/", pages.swaps, name="outfit-swaps"),
    path("g/members/<uuid:public_id>/outfits/choose/", pages.choose, name="outfit-choose"),
    path("g/members/<uuid:public_id>/outfits/cart/", pages.cart, name="outfit-cart"),
    path("g/members/<uuid:public_id>/outfits/share/", pages.share, name="outfit-share"),
    path("g/outfits/", pages.home, name="outfits"),
    path("g/outfits/beside/", pages.beside, name="outfits-beside"),
    path("g/outfits/propose/", pages.propose, name="outfit-propose"),
    path("g/outfits/<int:pk>/", pages.one, name="outfit"),
    path("g/outfits/shares/<uuid:public_id>/sent/", pages.sent, name="outfit-sent"),
    path("outfits/goods/", goods_pages.goods, name="outfit-goods"),
    path("outfits/board/", goods_pages.board, name="outfit-board"),
    path("hq/outfits/", hq_pages.library, name="hq-outfits"),
    path("hq/outfits/new/", hq_pages.new, name="hq-outfit-new"),
    path("hq/outfits/<int:pk>/", hq_pages.one, name="hq-outfit"),
    path("hq/outfits/<int:pk>/<slug:what>/", hq_pages.act, name="hq-outfit-act"),
]
