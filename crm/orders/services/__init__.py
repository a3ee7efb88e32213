"""Writes on orders."""

from .ingest import MAX_ROWS, TooManyRows, ingest_orders, release_orders
from .owners import give_owners
from .returns import ingest_returns
from .rows import DUPLICATE_KEY, RowResult

__all__ = [
    "DUPLICATE_KEY",
    "MAX_ROWS",
    "RowResult",
    "TooManyRows",
    "give_owners",
    "ingest_orders",
    "ingest_returns",
    "release_orders",
]
