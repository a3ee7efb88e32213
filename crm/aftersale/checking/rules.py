"""The rule by which tickets are drawn and the checklist by which they are scored (crm/data/service_checks.yaml)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from yejibao.core.domain_files import read_yaml

FILE = Path(__file__).resolve().parents[2] / "data" / "service_checks.yaml"


@dataclass(frozen=True)
class Item:
    """One line of the checklist; `fact` names what the ticket itself says to it."""

    key: str
    name: str
    weight: int
    fact: str = ""


@dataclass(frozen=True)
class Book:
    share_percent: int
    least: int
    most: int
    marks: dict[str, str]
    checklist: tuple[Item, ...]

    def score(self, marks: Mapping[str, str]) -> int | None:
        """Return the score of 100 of what applies; None where nothing does."""
        counted = [item for item in self.checklist if marks.get(item.key) in ("yes", "no")]
        whole = sum(item.weight for item in counted)
        return round(100 * sum(item.weight for item in counted if marks[item.key] == "yes") / whole) if whole else None


@cache
def book() -> Book:
    loaded: dict[str, Any] = read_yaml(FILE)
    return Book(**loaded["draw"], marks=loaded["marks"], checklist=tuple(Item(**one) for one in loaded["checklist"]))
