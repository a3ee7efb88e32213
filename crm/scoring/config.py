"""Thresholds of models.yaml, as the scoring jobs use them."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

MODELS_FILE = Path(__file__).resolve().parent.parent / "data" / "models.yaml"


@dataclass(frozen=True)
class Level:
    key: str
    name: str
    min_fen: int
    below: str  # the level one falls to, itself for the lowest


@dataclass(frozen=True)
class Config:
    """One version of the thresholds. Windows are days: Wn holds the local dates as_of-n .. as_of, both ends in."""

    version: int
    levels: tuple[Level, ...]
    purchase_kinds: tuple[str, ...] = ("retail", "mall", "proxy", "live")
    active_days: int = 180
    dormant_days: int = 365
    year_days: int = 365
    level_days: int = 180
    refund_days: int = 30
    loyal_from: int = 5

    @property
    def lowest(self) -> Level:
        return self.levels[0]


@cache
def config() -> Config:
    """Return the thresholds in force."""
    models = yaml.safe_load(MODELS_FILE.read_text())
    rows = models["member_level"]["levels"]
    below = [rows[0]["key"], *(row["key"] for row in rows)]
    levels = (Level(row["key"], row["name"], row["min_fen"], lower) for row, lower in zip(rows, below, strict=False))
    return Config(version=models["version"], levels=tuple(levels))
