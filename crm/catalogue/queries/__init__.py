"""What the room tells others: what goods cost, where they lie, how they are found."""

from .finding import Filters, find_goods, goods_of
from .places import Near, near_stores
from .prices import Price, price_of, price_of_styles
from .stock import (
    Level,
    PlaceStock,
    StyleStock,
    available,
    far_stores,
    free_at,
    in_warehouses,
    stock_by_size,
    totals_of,
)

__all__ = [
    "Filters",
    "Level",
    "Near",
    "PlaceStock",
    "Price",
    "StyleStock",
    "available",
    "far_stores",
    "find_goods",
    "free_at",
    "goods_of",
    "in_warehouses",
    "near_stores",
    "price_of",
    "price_of_styles",
    "stock_by_size",
    "totals_of",
]
