"""Writes on orders."""

from .ingest import MAX_ROWS, TooManyRows, ingest_orders, release_orders
from .owners import give_owners
from .rows import RowResult

__all__ = ["MAX_ROWS", "RowResult", "TooManyRows", "give_owners", "ingest_orders", "release_orders"]
