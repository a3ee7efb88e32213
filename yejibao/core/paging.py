"""One page of a list in order of time, read on behind the mark with which the last one ended (`?before=`).

    rows, before = page(Report.objects.visible_to(actor), "made_at", before=request.GET.get("before", ""), size=20)

The mark is the moment and the id of a page's last row: a row that comes or goes meanwhile moves no other. "" at the end.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import Generic, TypeVar

from django.db.models import Model, Q, QuerySet

STAMP = "%Y%m%dT%H%M%S%f"
MOST_DIGITS = 18  # of an id: more is no bigint

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True)
class Pageful(Generic[Row]):
    """The rows of one page, and where the next ones begin: "" at the end."""

    rows: list[Row]
    before: str


def pageful(rows: QuerySet[Row], column: str, before: str, *, size: int = 20, is_rising: bool = False) -> Pageful[Row]:
    """Return `page` as one thing to hand on."""
    return Pageful(*page(rows, column, before=before, size=size, is_rising=is_rising))


def page(rows: QuerySet[Row], column: str, *, before: str, size: int, is_rising: bool = False) -> tuple[list[Row], str]:
    """Return so many rows by (column, id), the newest first unless rising, and the mark of the next page. One statement."""
    if place := read_mark(before):
        way = "gt" if is_rising else "lt"
        at, pk = place
        rows = rows.filter(Q(**{f"{column}__{way}": at}) | Q(**{column: at, f"pk__{way}": pk}))
    order = (column, "pk") if is_rising else (f"-{column}", "-pk")
    found = list(rows.order_by(*order)[: size + 1])
    if len(found) <= size:
        return found, ""
    last = found[size - 1]
    return found[:size], mark_of(attrgetter(column.replace("__", "."))(last), last.pk)


def mark_of(at: datetime, pk: int) -> str:
    """Return the mark behind a row."""
    return f"{at.astimezone(UTC).strftime(STAMP)}_{pk}"


def read_mark(text: str) -> tuple[datetime, int] | None:
    """Return the moment and id of a mark; None for what is no mark: the list then begins anew."""
    stamp, _, number = text.partition("_")
    try:
        return datetime.strptime(stamp, STAMP).replace(tzinfo=UTC), int(number[:MOST_DIGITS])
    except ValueError:
        return None
