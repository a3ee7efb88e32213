"""What tags.yaml says about sources: who beats whom, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import crm
from yejibao.core.domain_files import read_yaml

TAGS_FILE = Path(crm.__file__).parent / "data" / "tags.yaml"
PEOPLE_SAY = ("GUIDE", "SURVEY")  # filled by people; beats what is computed for FILLED_HOLDS, then that comes back
FILLED_HOLDS = timedelta(days=365)
SAME_AS = {"WECOM": "GUIDE"}  # a tag set in the chat's own profile is the guide's word


@cache
def book() -> dict[str, Any]:
    """Return the domain file."""
    found: dict[str, Any] = read_yaml(TAGS_FILE)
    return found


@cache
def ranks() -> dict[str, int]:
    """Return each source's place, 0 the surest; sources the file does not rank come before the models."""
    order = list(book()["priority_of_sources"])
    places = {source: place for place, source in enumerate(order)}
    between = order.index("model") - 0.5
    found = {source: places.get(source, between) for source in book()["sources"]} | {"model": places["model"]}
    found |= {source: found[other] for source, other in SAME_AS.items()}
    order_of = {value: place for place, value in enumerate(sorted(set(found.values())))}
    return {source: order_of[value] for source, value in found.items()}


def is_said(source: str) -> bool:
    """Tell whether people filled this in."""
    return SAME_AS.get(source, source) in PEOPLE_SAY


@dataclass(frozen=True)
class Word:
    """What one source said, and when."""

    source: str
    at: datetime

    def is_old(self, now: datetime) -> bool:
        """Tell whether a filled-in value has had its year."""
        return is_said(self.source) and self.at <= now - FILLED_HOLDS


def strongest(words: list[Word], *, now: datetime) -> Word:
    """Return the one that counts: the best source, the newest of equals; a filled-in value older than a year comes last."""
    return min(words, key=lambda word: (word.is_old(now), ranks()[word.source], -word.at.timestamp()))
