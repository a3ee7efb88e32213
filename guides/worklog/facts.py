"""The figures a log is filled with. Rooms register what they know of a person's day; this room knows none of them.

    @fact("net_sales", label="净销售额", order=10)
    def net_sales(staff_ids: Collection[int], day: date, *, now: datetime) -> dict[int, str]: ...

A fact answers for many people with one statement or two, in words as they stand on the page; who has none is left out. One
that fails leaves a gap in the log and a line in the system's own, not an error on a guide's evening.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from django.db import connection, transaction

log = logging.getLogger(__name__)


class Reader(Protocol):
    def __call__(self, staff_ids: Collection[int], day: date, *, now: datetime) -> dict[int, str]: ...


@dataclass(frozen=True)
class Fact:
    """One figure and who reads it."""

    key: str
    label: str
    order: int
    read: Reader


_known: dict[str, Fact] = {}


def fact(key: str, *, label: str, order: int) -> Callable[[Reader], Reader]:
    """Register who provides a figure, or replace who did."""

    def register(read: Reader) -> Reader:
        _known[key] = Fact(key, label, order, read)
        return read

    return register


def known() -> list[Fact]:
    """Return every figure somebody provides."""
    return sorted(_known.values(), key=lambda one: one.order)


def read_facts(staff_id: int, day: date, keys: Sequence[str], *, now: datetime) -> list[dict[str, str]]:
    """Return the figures of a person's day as `[{key, label, words}]`, in the template's order; gaps are left out."""
    found = []
    for key in keys:
        one = _known.get(key)
        if one is None:
            continue
        try:
            with transaction.atomic() if connection.in_atomic_block else nullcontext():
                words = one.read([staff_id], day, now=now).get(staff_id)
        except Exception:
            log.exception("work log fact %s failed", key)
            continue
        if words is not None:
            found.append({"key": key, "label": one.label, "words": words})
    return found
