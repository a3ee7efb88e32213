"""The arithmetic of one member's points. Pure: `services/ledger.py` locks and reads an account into a book and writes it back.

What comes in fills a debt first; what goes out drains the lots that end first; what is taken back beyond what is left is
a debt. So at any time balance = left in the lots - debt, and one of the two is nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime


@dataclass(eq=False)
class Lot:
    """Points that came together. `pk` None: not stored yet."""

    usable_from: datetime
    expires_on: date
    subject: str = ""
    points: int = 0
    left: int = 0
    level: str = ""
    rate_tenths: int = 10
    multiplier: int = 1
    earned: int = 0
    revision: int = 0
    pk: int | None = None
    is_touched: bool = False

    def is_usable(self, now: datetime, today: date) -> bool:
        return self.left > 0 and self.usable_from <= now and self.expires_on >= today

    @property
    def order(self) -> tuple[date, datetime, int]:
        """Oldest used first: what ends first, then what came first."""
        return (self.expires_on, self.usable_from, self.pk or 1 << 62)


@dataclass(frozen=True)
class Line:
    """One entry of the ledger that is to be written."""

    kind: str
    points: int
    balance_after: int
    subject: str
    key: str
    uses: tuple[tuple[Lot, int], ...]


class Short(Exception):
    """More is wanted than may be used."""


@dataclass
class Book:
    """A member's account while it is locked, and what happened to it since."""

    member_id: int
    balance: int = 0
    debt: int = 0
    lots: list[Lot] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    debt_before: int = field(init=False)

    def __post_init__(self) -> None:
        self.debt_before = self.debt

    @property
    def left(self) -> int:
        return sum(lot.left for lot in self.lots)

    def lot_of(self, subject: str) -> Lot | None:
        return next((lot for lot in self.lots if lot.subject == subject), None)

    def usable(self, now: datetime, today: date) -> int:
        return sum(lot.left for lot in self.lots if lot.is_usable(now, today))

    def credit(self, parts: Sequence[tuple[Lot, int]], *, kind: str, subject: str, key: str) -> Line:
        """Put points in, one entry for all parts; a debt is filled first."""
        if not parts or any(points <= 0 for _, points in parts):
            raise ValueError("a credit is more than nothing")
        filled = []
        for lot, points in parts:
            if lot not in self.lots:
                self.lots.append(lot)
            fill = min(self.debt, points)
            self.debt -= fill
            lot.points += points
            lot.left += points - fill
            lot.is_touched = True
            if fill:
                filled.append((lot, fill))
        return self._write(kind, sum(points for _, points in parts), subject, key, filled)

    def spend(self, points: int, *, kind: str, subject: str, key: str, now: datetime, today: date) -> Line:
        """Take out points that may be used now, those that end first. Raises Short."""
        if points <= 0:
            raise ValueError("a spending is more than nothing")
        if points > self.usable(now, today):
            raise Short()
        usable = sorted((lot for lot in self.lots if lot.is_usable(now, today)), key=lambda lot: lot.order)
        return self._write(kind, -points, subject, key, self._drain(usable, points))

    def take_back(self, points: int, *, lot: Lot, subject: str, key: str) -> Line:
        """Take back what an order had brought: from its own lot, then from any other, and the rest is a debt."""
        if points <= 0:
            raise ValueError("what is taken back is more than nothing")
        others = sorted((one for one in self.lots if one is not lot), key=lambda one: one.order)
        uses = self._drain([lot, *others], points)
        self.debt += points - sum(taken for _, taken in uses)
        return self._write("take_back", -points, subject, key, uses)

    def expire(self, today: date) -> None:
        """End what was good until yesterday, a line for each lot."""
        for lot in sorted(self.lots, key=lambda one: one.order):
            if lot.left and lot.expires_on < today:
                ended = lot.left
                self._write("expire", -ended, lot.subject, f"lot:{lot.pk}:{lot.points}", self._drain([lot], ended))

    def _drain(self, lots: Iterable[Lot], points: int) -> list[tuple[Lot, int]]:
        uses = []
        for lot in lots:
            taken = min(lot.left, points)
            if taken:
                lot.left -= taken
                lot.is_touched = True
                points -= taken
                uses.append((lot, taken))
        return uses

    def _write(self, kind: str, points: int, subject: str, key: str, uses: Sequence[tuple[Lot, int]]) -> Line:
        self.balance += points
        line = Line(kind, points, self.balance, subject, key, tuple(uses))
        self.lines.append(line)
        return line
