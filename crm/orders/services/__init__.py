"""Writes on orders."""

from .ingest import MAX_ROWS, TooManyRows, ingest_orders, release_orders
from .owners import give_owners
from .rows import DUPLICATE_KEY, RowResult
from .sources import issue_token, revoke_token, token_hash

__all__ = [
    "DUPLICATE_KEY",
    "MAX_ROWS",
    "RowResult",
    "TooManyRows",
    "give_owners",
    "ingest_orders",
    "issue_token",
    "release_orders",
    "revoke_token",
    "token_hash",
]
