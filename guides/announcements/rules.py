"""Levels and samples, as data/announcements.yaml has them."""

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from yejibao.core.domain_files import read_yaml

FILE = Path(__file__).parent.parent / "data" / "announcements.yaml"

# announcement_levels: urgent again after two and four hours, important the next morning, normal once.
AGAIN: dict[str, tuple[timedelta | None, ...]] = {
    "urgent": (timedelta(hours=2), timedelta(hours=4)),
    "important": (None,),  # the next morning
    "normal": (),
}
PRIORITY = {"urgent": 2, "important": 3, "normal": 5}  # of the push: 1 is an urgent task, 4 a guide's digest
URGE_EVERY = timedelta(hours=2)  # task_types.yaml, today_screen.urge: whoever taps
MANAGERS_AFTER = timedelta(hours=2)


@cache
def book() -> dict[str, Any]:
    """Return the file as it stands."""
    loaded: dict[str, Any] = read_yaml(FILE)
    return loaded


@dataclass(frozen=True)
class Sample:
    """A text to begin with."""

    key: str
    title: str
    level: str
    body: str
    targets: dict[str, Any]
    needs_confirm: bool
    min_read_seconds: int
    deadline_hours: int
    pinned_days: int


@cache
def samples() -> dict[str, Sample]:
    """Return the samples by key, in the order of the file."""
    return {
        row["key"]: Sample(
            row["key"], row["title"], row["level"], row["body"], row["targets"], row["need_confirm"],
            row["min_read_seconds"], row["deadline_hours"], row["pinned_days"],
        )
        for row in book()["announcements"]
    }  # fmt: skip
