"""Routes of the room."""

from django.urls import URLPattern, path

from . import desk_pages, exporting, pages  # noqa: F401  registers the export

urlpatterns: list[URLPattern] = [
    path("g/stocktakes/", pages.own_stocktakes, name="own-stocktakes"),
    path("g/stocktakes/<uuid:public_id>/", pages.count, name="stocktake-count"),
    path("g/stocktakes/<uuid:public_id>/begin/", pages.begin, name="stocktake-begin"),
    path("g/stocktakes/<uuid:public_id>/sync/", pages.sync, name="stocktake-sync"),
    path("g/stocktakes/<uuid:public_id>/close/", pages.close, name="stocktake-close"),
    path("m/stocktakes/", desk_pages.stocktakes, name="stocktakes"),
    path("m/stocktakes/new/", desk_pages.new, name="stocktake-new"),
    path("m/stocktakes/<uuid:public_id>/", desk_pages.stocktake, name="stocktake"),
    path("m/stocktakes/<uuid:public_id>/live/", desk_pages.live, name="stocktake-live"),
    path("m/stocktakes/<uuid:public_id>/lines/", desk_pages.more, name="stocktake-lines"),
]
