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


@dataclass(frozen=True)
class PatrolSubmitted(Event):
    """A patrol was handed in. `findings` are the problems that are still to be mended; `red_lines` were scored 1."""

    topic: ClassVar[str] = "guides.patrol_submitted"
    visit_id: int
    store_id: int
    kind: str  # hq, supervisor, self
    findings: list[int]
    red_lines: list[int]
    submitted_at: str  # ISO 8601, UTC


@dataclass(frozen=True)
class PatrolFinding(Event):
    """A problem of a patrol has to be mended by somebody, or no longer has.

    `what`: opened, returned (checked and sent back), moved (to another person), closed (accepted, waived, or handed on).
    `round` grows with each of the first three, so that (finding, round) names one piece of work.
    """

    topic: ClassVar[str] = "guides.patrol_finding"
    finding_id: int
    round: int
    what: str
    owner_id: int | None
    title: str
    why: str
    due_at: str  # ISO 8601, UTC
    store_id: int


@dataclass(frozen=True)
class AnnouncementUnread(Event):
    """People of stores have something to read: told at once where it is to be confirmed, else once its deadline is over."""

    topic: ClassVar[str] = "guides.announcement_unread"
    announcement_id: int
    staff_ids: list[int]
    title: str
    why: str
    due_at: str  # ISO 8601, UTC
    expire_at: str


@dataclass(frozen=True)
class AnnouncementSettled(Event):
    """Nothing is wanted of these people any more, of all where none is named: it was read, or taken back."""

    topic: ClassVar[str] = "guides.announcement_settled"
    announcement_id: int
    staff_ids: list[int]
    how: str  # read | withdrawn


@dataclass(frozen=True)
class WorkLogsAsked(Event):
    """The day's work log is to be written by these people."""

    topic: ClassVar[str] = "guides.work_logs_asked"
    day: str  # ISO date
    staff_ids: list[int]
    due_at: str  # ISO 8601, UTC
    closes_at: str


@dataclass(frozen=True)
class WorkLogHandedIn(Event):
    """Somebody handed in the log of a day."""

    topic: ClassVar[str] = "guides.work_log_handed_in"
    staff_id: int
    day: str  # ISO date


@dataclass(frozen=True)
class VoteOpened(Event):
    """Ballots of a vote were handed out."""

    topic: ClassVar[str] = "guides.vote_opened"
    vote_id: int
    title: str
    deadline_at: str  # ISO 8601, UTC
    staff_ids: list[int]


@dataclass(frozen=True)
class VoteCast(Event):
    """A person has voted; staff 0: the vote was taken back. What was chosen is nobody's business."""

    topic: ClassVar[str] = "guides.vote_cast"
    vote_id: int
    staff_id: int


@dataclass(frozen=True)
class MeetingPlanned(Event):
    """People were asked to a meeting at which they sign in."""

    topic: ClassVar[str] = "guides.meeting_planned"
    meeting_id: int
    title: str
    starts_at: str  # ISO 8601, UTC
    ends_at: str
    staff_ids: list[int]


@dataclass(frozen=True)
class MeetingAttended(Event):
    """A person signed in to a meeting; staff 0: it was called off."""

    topic: ClassVar[str] = "guides.meeting_attended"
    meeting_id: int
    staff_id: int
