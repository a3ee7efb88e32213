"""Writes on orders."""

from .exchanging import Exchanged, NotExchangeable, exchange_pieces
from .ingest import MAX_ROWS, TooManyRows, ingest_orders, release_orders
from .owners import give_owners
from .points import settle_points
from .returns import ingest_returns
from .rows import DUPLICATE_KEY, RowResult

__all__ = [
    "DUPLICATE_KEY",
    "Exchanged",
    "MAX_ROWS",
    "NotExchangeable",
    "RowResult",
    "TooManyRows",
    "exchange_pieces",
    "give_owners",
    "ingest_orders",
    "ingest_returns",
    "release_orders",
    "settle_points",
]
