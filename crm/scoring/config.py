"""Thresholds of models.yaml, as the scoring jobs use them."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from crm.benefits.rules import LevelRule, levels
from yejibao.core.domain_files import read_yaml

MODELS_FILE = Path(__file__).resolve().parent.parent / "data" / "models.yaml"


@dataclass(frozen=True)
class Config:
    """One version of the thresholds. Windows are days: Wn holds the local dates as_of-n .. as_of, both ends in."""

    version: int
    levels: tuple[LevelRule, ...]
    purchase_kinds: tuple[str, ...] = ("retail", "mall", "proxy", "live")
    active_days: int = 180
    dormant_days: int = 365
    year_days: int = 365
    level_days: int = 180
    refund_days: int = 30
    loyal_from: int = 5

    @property
    def lowest(self) -> LevelRule:
        return self.levels[0]


@cache
def config() -> Config:
    """Return the thresholds in force."""
    models = read_yaml(MODELS_FILE)
    return Config(version=models["version"], levels=levels())


@cache
def stage_names() -> dict[str, str]:
    """Return 潜客, 新客 … by the key of a lifecycle stage."""
    models = read_yaml(MODELS_FILE)
    return {row["key"]: row["name"] for row in models["lifecycle"]["stages"]}
