"""What the panels of a page read, fetched with one statement planned once a connection.

    WALLET = together.Read("wallet", "(SELECT to_json(w) FROM crm_wallet w WHERE w.member_id = m.id)", Balance.of)

    @panel("member", order=36, name="wallet", reads=(WALLET,))
    def wallet_panel(request, *, customer, **_): ... WALLET.of(request) ...

A page of fifteen panels that ask for themselves needs twenty-five statements, and building them costs more than running
them. So a panel says beforehand what it reads, as SQL of one JSON value about the row the page is of; its shell tells
what that row is (`about`) and fetches all of it (`fetch`). A panel that is drawn alone reads only its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Generic, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import DatabaseError, connection, models, transaction
from django.http import HttpRequest

from . import reading
from .scope import Actor

log = logging.getLogger("yejibao.together")

T = TypeVar("T")
Facts = dict[str, Any]


class Read(Generic[T]):
    """One thing to read. `sql` is an expression of type json over the page's row, `parse` makes of its value what is wanted.

    `facts` are its own parameters, their names its own too. Where `%(scope)s` stands in it, the ids `scope` returns for the
    actor are put (`visible_ids`); without any the value is None.
    """

    def __init__(
        self,
        name: str,
        sql: str,
        parse: Callable[[Any], T],
        *,
        facts: Callable[[Actor], Facts] | None = None,
        scope: Callable[[Actor], tuple[str, tuple[Any, ...]] | None] | None = None,
    ) -> None:
        self.name, self.sql, self.parse = name, " ".join(sql.split()), parse
        self._facts, self._scope = facts, scope

    def __repr__(self) -> str:
        return f"<Read {self.name}>"

    def says(
        self,
        sql: str,
        parse: Callable[[Any], T],
        *,
        scope: Callable[[Actor], tuple[str, tuple[Any, ...]] | None] | None = None,
    ) -> None:
        """Let an upper department say what a lower one asks for: until then the read gives what `parse` makes of None."""
        self.sql, self.parse, self._scope = " ".join(sql.split()), parse, scope
        _asked.cache_clear()

    def piece(self, actor: Actor) -> tuple[str, Facts]:
        """Return the expression with its parameters, for who asks."""
        facts = dict(self._facts(actor)) if self._facts else {}
        if self._scope is None:
            return self.sql, facts
        visible = self._scope(actor)
        if visible is None:
            return "NULL::json", {}
        ids, more = reading.named(*visible, f"{self.name}_")
        return self.sql.replace("%(scope)s", ids), facts | more

    def of(self, request: HttpRequest) -> T:
        """Return what was read for this page; alone, where it was not read with the others."""
        page = _page(request)
        if self not in page.found:
            page.read([self])
        return page.found[self]

    def about(self, source: str, facts: Facts, *, actor: Actor | None = None) -> T:
        """Read it without a page: of the one row of `source`. For services and tests."""
        page = Page(source, facts, actor or Actor.system())
        page.read([self])
        return page.found[self]


@dataclass
class Page:
    """What a page is of, and what has been read for it."""

    source: str  # behind FROM; one row
    facts: Facts
    actor: Actor
    found: dict[Read[Any], Any] = field(default_factory=dict)

    def read(self, reads: Iterable[Read[Any]]) -> bool:
        """Read what is not there yet; False where there is no such row, and nothing found."""
        wanted = [one for one in dict.fromkeys(reads) if one not in self.found]
        if not wanted:
            return True
        sql, facts = _asked(tuple(wanted), self.source, self.actor)
        row = reading.one_row(sql, self.facts | facts)
        values = row[0] if row else [None] * len(wanted)
        for one, value in zip(wanted, values, strict=True):
            self.found[one] = one.parse(value)
        return row is not None


@lru_cache(maxsize=8192)
def _asked(wanted: tuple[Read[Any], ...], source: str, actor: Actor) -> tuple[str, Facts]:
    """Return the statement with the parameters of the reads' own: the same for one person's every page."""
    pieces: list[str] = []
    params: Facts = {}
    for one in wanted:
        sql, facts = one.piece(actor)
        pieces.append(sql)
        params |= facts
    return _statement(tuple(pieces), source), params


@lru_cache(maxsize=512)
def _statement(pieces: tuple[str, ...], source: str) -> str:
    """Put a statement together: one text for all who ask the same."""
    return f"SELECT json_build_array({', '.join(pieces)}) FROM {source}"


def about(request: HttpRequest, source: str, facts: Facts, *, actor: Actor) -> Page:
    """Say what the page is of: the text behind FROM that gives its one row, and the parameters all reads may name."""
    page = request.together = Page(source, facts, actor)  # type: ignore[attr-defined]
    return page


def _page(request: HttpRequest) -> Page:
    return request.together  # type: ignore[attr-defined]


def fetch(request: HttpRequest, reads: Iterable[Read[Any]]) -> None:
    """Read all of it at once. Where that fails each panel asks for itself, so that only the one at fault shows an error."""
    try:
        with transaction.atomic() if connection.in_atomic_block else nullcontext():
            _page(request).read(reads)
    except DatabaseError:
        log.exception("what the panels read could not be read together")


@lru_cache(maxsize=8192)
def visible_ids(model: type[models.Model], actor: Actor) -> tuple[str, tuple[Any, ...]] | None:
    """Return `model.objects.visible_to(actor)` as a query of ids with its parameters; None where nothing is to be seen.

    For statements written by hand. The actor says all it depends on, and building it costs more than reading a list.
    """
    rows = model._default_manager.all().visible_to(actor)  # type: ignore[attr-defined]
    try:
        sql, params = rows.order_by().values("pk").query.sql_with_params()
    except EmptyResultSet:
        return None
    return str(sql), tuple(params)


def rows(of: str, order: str = "", columns: str = "x.*") -> str:
    """Return SQL of a list of rows as JSON, null where there is none: `of` is what stands behind FROM, `x` the row."""
    return f"(SELECT json_agg(y) FROM (SELECT {columns} FROM {of}{f' ORDER BY {order}' if order else ''}) y)"


def first(of: str, order: str = "", columns: str = "x.*") -> str:
    """Return SQL of one row as JSON, null where there is none."""
    return f"(SELECT to_json(y) FROM (SELECT {columns} FROM {of}{f' ORDER BY {order}' if order else ''} LIMIT 1) y)"
