"""The rules of stored value as they stand on a day (crm/data/wallet_rules.yaml)."""

from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from yejibao.core.domain_files import read_yaml

FILE = Path(__file__).parent.parent / "data" / "wallet_rules.yaml"


@dataclass(frozen=True)
class Tier:
    """One amount a member may put on his card, and what the brand adds."""

    key: str
    principal_fen: int
    gift_fen: int

    @property
    def total_fen(self) -> int:
        return self.principal_fen + self.gift_fen


@dataclass(frozen=True)
class RefundRules:
    method: str
    seven_days: int
    pay_days: int
    pay_days_seven: int
    cash_below_fen: int
    two_people_from_fen: int


@dataclass(frozen=True)
class Rules:
    valid_from: date
    cap_fen: int
    adult_years: int
    register_years: int
    least_fen: int
    step_fen: int
    tiers: tuple[Tier, ...]
    confirm_minutes: int
    refund: RefundRules

    def tier(self, key: str) -> Tier | None:
        return next((one for one in self.tiers if one.key == key), None)

    def gift_of(self, principal_fen: int) -> int:
        """Return what is added to an amount: the gift of the tier with this very principal, else nothing."""
        return next((one.gift_fen for one in self.tiers if one.principal_fen == principal_fen), 0)


@dataclass(frozen=True)
class Terms:
    version: int
    valid_from: date
    title: str
    text: str


@cache
def _book() -> dict[str, Any]:
    loaded: dict[str, Any] = read_yaml(FILE)
    return loaded


def rules_on(day: date) -> Rules:
    """Return the rules in force on a day in Shanghai. Raises LookupError for a day before the first set."""
    return _rules(_in_force("rules", day))


def terms_on(day: date) -> Terms:
    """Return the wording a member agrees to on a day."""
    return Terms(**_book()["terms"][_in_force("terms", day)])


def terms_of(version: int) -> Terms | None:
    """Return a wording by its version, also a former one."""
    return next((Terms(**row) for row in _book()["terms"] if row["version"] == version), None)


def _in_force(name: str, day: date) -> int:
    begun = [(row["valid_from"], number) for number, row in enumerate(_book()[name]) if row["valid_from"] <= day]
    if not begun:
        raise LookupError(f"{name}: nothing in force on {day}")
    return max(begun)[1]


@cache
def _rules(number: int) -> Rules:
    row = _book()["rules"][number]
    return Rules(
        valid_from=row["valid_from"],
        cap_fen=row["cap_fen"],
        adult_years=row["adult_years"],
        register_years=row["register_years"],
        least_fen=row["free_amounts"]["least_fen"],
        step_fen=row["free_amounts"]["step_fen"],
        tiers=tuple(Tier(**tier) for tier in row["tiers"]),
        confirm_minutes=row["confirm_minutes"],
        refund=RefundRules(**row["refund"]),
    )
