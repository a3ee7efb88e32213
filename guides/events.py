"""What guides tells the world."""

from dataclasses import dataclass
from typing import ClassVar

from yejibao.core.outbox import Event


@dataclass(frozen=True)
class StaffResigned(Event):
    """A person left the company; open work is held until an heir is named."""

    topic: ClassVar[str] = "guides.staff_resigned"
    staff_id: int
    resigned_at: str  # ISO 8601, UTC


@dataclass(frozen=True)
class StaffAwayChanged(Event):
    """Rest days or leave of a person changed; assignees of open work are looked at again."""

    topic: ClassVar[str] = "guides.staff_away_changed"
    staff_id: int
    days: list[str]  # ISO dates
