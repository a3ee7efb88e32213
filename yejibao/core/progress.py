"""Long work under way, for the page 任务与计划: rooms tell of theirs, the page imports no room.

@progress.source
def rotation(now: datetime) -> Iterable[Running]:
    yield Running("换加密密钥", done=3, total=12, began_at=..., url="hq:…")
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import DatabaseError

log = logging.getLogger("yejibao.progress")


@dataclass(frozen=True)
class Running:
    """One piece of work: how much of how much; `total` 0 where nobody knows yet."""

    name: str
    done: int
    total: int
    began_at: datetime | None = None
    note: str = ""
    url: str = ""  # an address

    @property
    def percent(self) -> int:
        return min(100, self.done * 100 // self.total) if self.total else 0


Source = Callable[[datetime], Iterable[Running]]
_sources: dict[str, Source] = {}


def source(tell: Source) -> Source:
    """Register who tells of long work."""
    _sources[f"{tell.__module__}.{tell.__name__}"] = tell
    return tell


def running(now: datetime) -> list[Running]:
    """Return all long work under way; a source that fails is left out and logged, the page stands."""
    found: list[Running] = []
    for name, tell in _sources.items():
        try:
            found.extend(tell(now))
        except DatabaseError:
            log.exception("progress of %s", name)
    return found
