"""What surveys.yaml says: which surveys there are, when each is asked, with which chips; HQ's days and caps stand in 设置."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from yejibao.core import clock, tunables
from yejibao.core.domain_files import read_yaml

FILE = Path(__file__).resolve().parent.parent / "data" / "surveys.yaml"
GROUP, KEEPERS = "评价", "template.edit"
GOOD_STARS = 4  # from here on it is a good word
OTHER = "其他"


@dataclass(frozen=True)
class Chip:
    """A reason he taps; `topic` is what a complaint of it is about (aftersale.yaml), "" for a good one."""

    key: str
    name: str
    topic: str


@dataclass(frozen=True)
class Kind:
    """One kind of survey."""

    key: str
    name: str
    question: str
    after_days: int
    lives: timedelta
    may_be_anonymous: bool
    good: tuple[Chip, ...]
    bad: tuple[Chip, ...]

    @property
    def chips(self) -> tuple[Chip, ...]:
        return (*self.good, *self.bad)

    def chips_for(self, stars: int) -> tuple[Chip, ...]:
        """Return the reasons that fit so many stars: three may have both."""
        return self.good if stars >= GOOD_STARS else self.bad if stars < GOOD_STARS - 1 else self.chips

    def names_of(self, keys: list[str]) -> list[str]:
        """Return what the chosen chips are called, in their order."""
        return [chip.name for chip in self.chips if chip.key in keys]

    def topic_of(self, keys: list[str]) -> str:
        """Return what a complaint of these reasons is about: the first that says it."""
        return next((chip.topic for chip in self.chips if chip.key in keys and chip.topic), OTHER)


@dataclass(frozen=True)
class Rules:
    kinds: dict[str, Kind]
    opens: time
    closes: time
    late_days: int
    cap_times: int
    cap_days: int
    satisfaction: dict[int, str]
    nature: dict[int, str]
    channel: str
    review_days: int
    survey_days: int
    guide_from: int


@cache
def rules() -> Rules:
    """Return the domain file."""
    book: dict[str, Any] = read_yaml(FILE)
    tags = book["tags"]
    return Rules(
        kinds={row["key"]: _kind(row) for row in book["kinds"]},
        opens=time.fromisoformat(book["hours"]["from"]),
        closes=time.fromisoformat(book["hours"]["to"]),
        late_days=book["late_days"],
        cap_times=book["cap"]["times"],
        cap_days=book["cap"]["days"],
        satisfaction=tags["satisfaction_last"],
        nature=tags["review_nature"],
        channel=tags["review_channel"],
        review_days=tags["windows"]["review"],
        survey_days=tags["windows"]["survey"],
        guide_from=book["figures"]["guide_from"],
    )


def _kind(row: dict[str, Any]) -> Kind:
    def chips(side: str) -> tuple[Chip, ...]:
        return tuple(Chip(one["key"], one["name"], one.get("topic", "")) for one in row[side])

    return Kind(
        row["key"], row["name"], row["question"], row["after_days"], timedelta(days=row["lives_days"]), row["may_be_anonymous"],
        chips("good"), chips("bad"),
    )  # fmt: skip


# ---------------------------------------------------------------- what HQ sets

AFTER = {
    kind.key: tunables.number(
        f"survey-{kind.key}-days", group=GROUP, name=f"{kind.name}：几天后请他评", unit="天", default=kind.after_days, least=0, most=30,
        why="0 天就是不问。改了当天起照新的算", permission=KEEPERS,
    )
    for kind in rules().kinds.values()
}  # fmt: skip
CAP_TIMES = tunables.number(
    "survey-cap", group=GROUP, name="一位会员 30 天里最多请他评几次", unit="次", default=rules().cap_times, least=1, most=10,
    why="问多了没人答。会员自己点开来评的不算", permission=KEEPERS,
)  # fmt: skip


def is_asking_time(now: datetime) -> bool:
    """Tell whether surveys are asked at this time of day."""
    return rules().opens <= now.astimezone(clock.SHANGHAI).time() < rules().closes
