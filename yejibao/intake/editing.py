"""Correcting a refused row that is more than a flat list of fields: the items of an order, what was brought back of it.

Each value is addressed as in the complaints: `lines.2.paid_fen`. A form holds what one may change; all else of the row stays.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .kinds import Field, Kind, Part, clean
from .reading import WHOLE, fen, shown_value

DROP = "drop:"  # before the path of an item that is to go
MOST = 200  # items of one part on the page


@dataclass(frozen=True)
class Cell:
    one: Field
    path: str
    value: str
    is_wrong: bool


@dataclass(frozen=True)
class Item:
    path: str
    cells: list[Cell]
    is_new: bool = False


@dataclass(frozen=True)
class Group:
    """The items of one list in a row, with an empty one at the end to add another."""

    label: str
    fields: tuple[Field, ...]
    items: list[Item]


def typed(one: Field, text: str) -> Any:
    """Return what a person typed as the feed has it: whole numbers, and amounts in fen; what is none stays text to be refused."""
    text = clean(text.strip())
    if one.form == "fen":
        return fen(text)
    return int(text) if one.form == "whole" and WHOLE.fullmatch(text) else text


def _shown(one: Field, value: Any) -> str:
    if one.form == "fen" and type(value) is int:
        return f"{value / 100:.2f}"
    return (
        shown_value(one, value) if isinstance(value, str | int | bool) else str(value) if type(value) is float else ""
    )


def groups(kind: Kind, row: Any, *, wrong: set[str]) -> list[Group]:
    """Return the lists of a row as a form shows them; `wrong` are the paths that were complained of."""
    if not isinstance(row, Mapping):
        return []
    found = []
    for part in kind.parts:
        for path, items in _lists(part, row):
            number = f" {path.split('.')[1]}" if "*" in part.path else ""
            rows = [
                Item(f"{path}.{place}", _cells(part, f"{path}.{place}", item, wrong))
                for place, item in enumerate(items[:MOST])
                if isinstance(item, Mapping)
            ]
            new = f"{path}.{len(items)}"
            rows.append(Item(new, _cells(part, new, {}, set()), is_new=True))
            found.append(Group(f"{part.label}{number}", part.fields, rows))
    return found


def _cells(part: Part, path: str, item: Mapping[str, Any], wrong: set[str]) -> list[Cell]:
    return [
        Cell(one, f"{path}.{one.name}", _shown(one, item.get(one.name)), f"{path}.{one.name}" in wrong)
        for one in part.fields
    ]


def _lists(part: Part, row: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """Yield (path, items) for each list a part means; one that is missing is empty, except below others."""
    above, star, name = part.path.partition(".*.")
    outer = row.get(above)
    if not star:
        yield above, outer if isinstance(outer, list) else []
        return
    for place, item in enumerate(outer[:MOST] if isinstance(outer, list) else []):
        if isinstance(item, Mapping):
            inner = item.get(name)
            yield f"{above}.{place}.{name}", inner if isinstance(inner, list) else []


def changed(kind: Kind, row: Any, given: Mapping[str, str]) -> tuple[Any, list[str]]:
    """Return a row with what a form says of its lists, and the paths that differ from before."""
    if not isinstance(row, Mapping):
        return row, []
    fresh, paths = copy.deepcopy(dict(row)), []
    for part in reversed(kind.parts):  # what is below others first: their places move when one goes
        for path, items in list(_lists(part, fresh)):
            told = _told(part, path, items, given)
            if told != items:
                paths += [f"{path}.{place}" for place in range(max(len(told), len(items)))
                          if told[place : place + 1] != items[place : place + 1]]  # fmt: skip
                _put(fresh, path, told)
    return fresh, sorted(paths)


def _told(part: Part, path: str, items: list[Any], given: Mapping[str, str]) -> list[Any]:
    told = []
    for place, item in enumerate([*items, {}]):
        if f"{DROP}{path}.{place}" in given:
            continue
        if not isinstance(item, Mapping):
            told.append(item)
            continue
        fresh = dict(item)
        for one in part.fields:
            text = given.get(f"{path}.{place}.{one.name}")
            if text is None or text.strip() == _shown(one, item.get(one.name)):
                continue
            fresh[one.name] = typed(one, text)
            if fresh[one.name] == "":
                fresh.pop(one.name)
        if place < len(items) or fresh:
            told.append(fresh)
    return told


def _put(row: dict[str, Any], path: str, items: list[Any]) -> None:
    *above, last = path.split(".")
    held: Any = row
    for name in above:
        held = held[int(name)] if isinstance(held, list) else held[name]
    if items or last in held:
        held[last] = items
