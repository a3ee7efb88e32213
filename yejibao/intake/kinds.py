"""What can come in. A room registers a kind; sources, files, the error queue and the pages know it from here.

    kinds.register(Kind(
        key="stock", label="库存", roles=("hq_merch",), fields=(Field("store", "门店编码", required=True), …),
        natural_key=("store", "sku", "size"), check=check_stock, commit=commit_stock,
    ))

`check` and `commit` get a `Stage`: a range of staged rows whose shape is right. `check` marks what the database knows
better (`stage.refuse(...)`) and what would become of the rest; `commit` does the same again and writes, set-based.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from yejibao.core.scope import Actor

if TYPE_CHECKING:
    from .stage import Stage
    from .tables import Table

KEEPERS = ("sys_admin",)  # who gives out tokens; sees no rows by that


@dataclass(frozen=True)
class Field:
    """One field of a kind: its name in JSON, its column in a file (`label`, or one of `aliases`) and what may stand there.

    `form`: text, code (text without inner spaces), whole, fen (a file says yuan), day, moment, birthday (year may lack), flag,
    phone, choice. `seal` is the column in which a personal value ends; it is encrypted for that column from the first.
    """

    name: str
    label: str
    form: str = "text"
    required: bool = False
    aliases: tuple[str, ...] = ()
    most: int = 64
    low: int = 0
    high: int = 10_000_000_000
    choices: Mapping[str, str] = field(default_factory=dict)  # what people write -> what is stored
    seal: str = ""
    mask: str = ""  # name | phone | all: how people see the value in a list of errors
    is_lower: bool = False
    by_day: bool = False  # of a moment: a mere day will do, and means its beginning
    example: Any = ""
    help: str = ""


@dataclass(frozen=True)
class Part:
    """A list in a row that a person may correct in the error queue: `lines`, or below others `returns.*.lines`."""

    path: str
    label: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class RawRow:
    """A row as a file or a post has it. `lines` are the lines of the file that items of it stand on."""

    line: int
    values: Any
    fault: str = ""
    fault_code: str = "input.malformed"
    fault_field: str = ""
    lines: tuple[int, ...] = ()


@dataclass(frozen=True)
class ReadRow:
    """A row whose shape was looked at."""

    key: str
    cells: Mapping[str, Any]
    errors: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Kind:
    """One kind of data. `read` and `rows_of` are for kinds whose rows are no flat list of fields (orders with items)."""

    key: str
    label: str
    roles: tuple[str, ...]
    fields: tuple[Field, ...]
    natural_key: tuple[str, ...]
    check: Callable[[Stage], None]
    commit: Callable[[Stage], None]
    unit: str = "条"
    about: str = ""
    step: int = 20_000  # rows of one transaction
    newest_wins: bool = False  # of several rows with one key the last one counts, not the first
    read: Callable[[Any], ReadRow] | None = None
    rows_of: Callable[[Table], Iterator[RawRow]] | None = None
    template: tuple[tuple[str, ...], ...] = ()  # titles and sample rows, where the fields do not tell them
    sample: Mapping[str, Any] = field(default_factory=dict)  # a row of the API, where the fields do not tell it
    schema: Callable[[], Any] | None = None  # the serializer that tells the API's row
    reopen: Callable[[Mapping[str, Any]], Any] | None = None  # cells -> the row as it came, for another try
    shown: Callable[[Mapping[str, Any]], list[tuple[str, str]]] | None = None  # cells for people, masked

    parts: tuple[Part, ...] = ()  # lists in a row, the outer ones before those below them
    titles: Mapping[str, str] = field(default_factory=dict)  # what people call fields that are not among `fields`

    def title(self, name: str) -> str:
        """Return what people call a field; one of an item (`lines.2.paid_fen`) is called as on any item."""
        own = self.by_name.get(name)
        last = name.rpartition(".")[2]
        return own.label if own else self.titles.get(name) or self.titles.get(last) or last

    @property
    def by_name(self) -> Mapping[str, Field]:
        return {one.name: one for one in self.fields}


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> Kind:
    _kinds[kind.key] = kind
    return kind


def all_kinds() -> list[Kind]:
    """Return what can come in, in the order in which data depends on other data."""
    order = ("stores", "staff", "products", "stock", "members", "orders", "returns", "footfall")
    return sorted(_kinds.values(), key=lambda one: (order.index(one.key) if one.key in order else 99, one.key))


def find(key: str) -> Kind | None:
    return _kinds.get(key)


def get(key: str) -> Kind:
    """Return a kind. Raises KeyError."""
    return _kinds[key]


def kinds_of(actor: Actor) -> list[Kind]:
    """Return the kinds an actor's roles take care of."""
    return [kind for kind in all_kinds() if actor.is_system or actor.has_role(*kind.roles)]


def roles_of_all() -> tuple[str, ...]:
    """Roles that take care of some kind. Fixed, so that routes can declare it before the rooms are there."""
    return ("hq_operator", "hq_crm", "hq_retail", "hq_merch")


def key_of(kind: Kind, cells: Mapping[str, Any]) -> str:
    """Return the natural key of a row's cells; empty where a part of it is missing."""
    parts = [cells.get(name) for name in kind.natural_key]
    if any(part is None or part == "" for part in parts[:1]):
        return ""
    return clean("|".join("" if part is None else str(part) for part in parts))[:128]


_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def clean(text: str) -> str:
    """Return a text that PostgreSQL can store."""
    return _UNSTORABLE.sub("�", text)


def example_of(one: Field) -> Any:
    """Return an example value as the API takes it."""
    if one.example != "":
        return one.example
    match one.form:
        case "whole":
            return max(1, one.low)
        case "fen":
            return 128000
        case "day":
            return date(2026, 3, 1).isoformat()
        case "moment":
            return "2026-03-01T15:00:00+08:00"
        case "flag":
            return True
        case "choice":
            return next(iter(one.choices.values()))
        case "phone":
            return "13800132075"
        case "birthday":
            return "1988-05-20"
    return one.label
