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


@dataclass(frozen=True)
class SignInChanged(Event):
    """Somebody else changed how a person signs in: he and the other administrators hear of it."""

    topic: ClassVar[str] = "guides.sign_in_changed"
    staff_id: int
    what: str  # account, password, no_password, no_second_factor, second_factor
    by_id: int | None


@dataclass(frozen=True)
class StaffMoved(Event):
    """A guide works in another store from now on; what becomes of her members is planned by the manager she left."""

    topic: ClassVar[str] = "guides.staff_moved"
    staff_id: int
    from_store_id: int
    to_store_id: int
    at: str  # ISO 8601, UTC


@dataclass(frozen=True)
class StaffLent(Event):
    """临时支援: a person works in a second store from-to, both days included."""

    topic: ClassVar[str] = "guides.staff_lent"
    staff_id: int
    store_id: int
    role: str
    starts_on: str  # ISO date
    ends_on: str
    at: str  # ISO 8601, UTC
