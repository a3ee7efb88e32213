"""Goods, their sizes and where they lie, for tests."""

from datetime import datetime
from typing import Any

from crm.catalogue.models import Sku, StyleColor
from crm.catalogue.services import fill_styles
from crm.catalogue.stock_models import StockLevel, Warehouse
from guides.attendance.clockin.models import StoreFence
from guides.org.models import Store
from tests.factories.crm import make_style

SIZE = "180/96A"


def make_goods(sku_code: str = "25FXF101-NV", **facts: Any) -> StyleColor:
    """Return a style-colour with its sizes, numbers and words."""
    style = make_style(sku_code, **facts)
    fill_styles([sku_code])
    style.refresh_from_db()
    return style


def sku_of(style: StyleColor, size: str = SIZE) -> Sku:
    return Sku.objects.select_related("style").get(style=style, size=size)


def make_stock(
    style: StyleColor,
    place: Store | Warehouse,
    quantity: int,
    *,
    size: str = SIZE,
    as_of: datetime,
    in_transit: int = 0,
) -> StockLevel:
    """Return what a place has of a size, as the feed said."""
    where = {"store": place} if isinstance(place, Store) else {"warehouse": place}
    return StockLevel.objects.create(
        style=style, size=size, quantity=quantity, in_transit=in_transit, as_of=as_of, source="drp", **where
    )


def place_store(store: Store, latitude: float, longitude: float, *, now: datetime) -> None:
    """Say where a store is."""
    StoreFence.objects.create(
        store=store, latitude=latitude, longitude=longitude, given_latitude=latitude, given_longitude=longitude,
        given_datum="gcj02", since=now.date(), set_at=now,
    )  # fmt: skip
