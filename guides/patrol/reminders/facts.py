"""What the reminders need to know of stores and only rooms above know: sales, the work for members.

    @supply("performance")
    def performance(store_ids: Collection[int], *, now: datetime) -> dict[int, Performance]: ...

A supplier answers for many stores with a statement or two; where there is none, or none for a store, its rule says nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Performance:
    """How a store sells. Fen are net sales; `month` runs to the end of yesterday."""

    month_fen: int = 0
    target_fen: int | None = None  # of the whole month; None: nobody has set one
    recent_fen: int = 0  # the last 14 days
    recent_last_year_fen: int = 0  # the same 14 days of last year
    visitors: int | None = None  # of the month; None: no counter at the door
    orders: int = 0
    items: int = 0


@dataclass(frozen=True)
class MemberWork:
    """How a store works with its members. Weeks are the last two whole ISO weeks, the newer first: (done, due)."""

    weeks: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    tags_filled: int = 0
    tags_wanted: int = 0


Supplier = Callable[..., dict[int, Any]]
_known: dict[str, Supplier] = {}


def supply(key: str) -> Callable[[Supplier], Supplier]:
    """Register who knows `performance` or `member_tags` or `member_tasks`, or replace who did."""

    def register(read: Supplier) -> Supplier:
        _known[key] = read
        return read

    return register


def ask(key: str, store_ids: Collection[int], *, now: datetime) -> dict[int, Any]:
    """Return what is known of stores; a supplier that fails leaves a gap and a line in the log."""
    if (read := _known.get(key)) is None or not store_ids:
        return {}
    try:
        with transaction.atomic() if connection.in_atomic_block else nullcontext():
            return read(store_ids, now=now)
    except Exception:
        log.exception("the facts %s of stores could not be read", key)
        return {}
