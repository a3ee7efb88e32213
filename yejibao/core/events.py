"""What more than one department has to know: published above, heard below, by those who may not import each other."""

from dataclasses import dataclass, field
from typing import ClassVar

from .outbox import Event


@dataclass(frozen=True)
class DutyFinished(Event):
    """Somebody did what a room below had asked for: `key` is what it is about, `files` what he added (names of core/files)."""

    topic: ClassVar[str] = "core.duty_finished"
    task_type: str
    key: str
    by_id: int
    note: str
    at: str  # ISO 8601, UTC
    files: list[str] = field(default_factory=list)
