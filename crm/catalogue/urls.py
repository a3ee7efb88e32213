"""Routes of the room: looking goods up, promises, item codes, HQ's pages."""

from django.urls import URLPattern, path

from . import hq_pages, item_pages, pages, promise_pages

urlpatterns: list[URLPattern] = [
    path("g/goods/", pages.goods, name="goods"),
    path("g/goods/scan/", pages.scanned, name="goods-scan"),
    path("g/goods/members/", promise_pages.members, name="goods-members"),
    path("g/goods/kept/", promise_pages.kept, name="goods-kept"),
    path("g/goods/kept/<int:pk>/release/", promise_pages.release, name="goods-release"),
    path("g/goods/transfers/", promise_pages.transfers, name="goods-transfers"),
    path("g/goods/transfers/<int:pk>/<slug:what>/", promise_pages.act, name="goods-transfer-act"),
    path("g/goods/item/<str:code>/", pages.item, name="goods-item"),
    path("g/goods/sizes/<int:pk>/reserve/", promise_pages.reserve, name="goods-reserve"),
    path("g/goods/sizes/<int:pk>/ask/", promise_pages.ask, name="goods-ask"),
    path("g/goods/<int:pk>/", pages.style, name="goods-style"),
    path("g/goods/<int:pk>/far/", pages.far, name="goods-far"),
    path("i/<str:code>/", item_pages.item, name="item"),
    path("i/<str:code>/register/", item_pages.register, name="item-register"),
    path("i/<str:code>/ask/", item_pages.ask, name="item-ask"),
    path("i/<str:code>/photo/", item_pages.photo, name="item-photo"),
    path("hq/goods/", hq_pages.goods, name="hq-goods"),
    path("hq/goods/codes/", hq_pages.codes, name="hq-item-codes"),
    path("hq/goods/codes/<int:pk>/", hq_pages.sheet, name="hq-item-sheet"),
    path("hq/goods/<int:pk>/", hq_pages.style, name="hq-goods-style"),
    path("hq/goods/<int:pk>/prices/", hq_pages.add_price, name="hq-goods-price"),
    path("hq/goods/prices/<int:pk>/end/", hq_pages.end_a_price, name="hq-goods-price-end"),
    path("hq/goods/<int:pk>/tags/", hq_pages.tag, name="hq-goods-tag"),
    path("hq/goods/<int:pk>/photos/", hq_pages.pictures, name="hq-goods-photos"),
]
