"""Reads of meetings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Q, QuerySet

from yejibao.core.scope import Actor

from .models import Meeting, MeetingAttendee

SHOWN = 50
PEOPLE = 200


@dataclass(frozen=True)
class Mine:
    """A meeting as one of those asked sees it."""

    meeting: Meeting
    signed_in_at: datetime | None
    is_over: bool


@dataclass(frozen=True)
class Coming:
    """How many were asked and came; who joined the platform's call counts as there, signed in or not."""

    asked: int
    signed: int
    joined: int
    there: int

    @property
    def percent(self) -> int:
        return round(100 * self.there / self.asked) if self.asked else 0


def own_meetings(actor: Actor, *, now: datetime) -> list[Mine]:
    """Return what one is asked to: the next first, then what is over. One statement."""
    rows = MeetingAttendee.objects.filter(staff_id=actor.staff_id or 0).select_related(
        "meeting", "meeting__author", "meeting__unit"
    )
    found = [
        Mine(row.meeting, row.signed_in_at, row.meeting.ends_at <= now) for row in rows.order_by("-meeting_id")[:SHOWN]
    ]
    ahead = sorted((one for one in found if not one.is_over), key=lambda one: one.meeting.starts_at)
    return ahead + sorted((one for one in found if one.is_over), key=lambda one: one.meeting.starts_at, reverse=True)


def coming_count(actor: Actor, *, now: datetime) -> int:
    """Return how many meetings of today are still ahead."""
    rows = MeetingAttendee.objects.filter(
        staff_id=actor.staff_id or 0, meeting__cancelled_at=None, meeting__starts_at__gt=now
    )
    return rows.count()


def counts_of(meetings: list[Meeting]) -> dict[int, Coming]:
    """Return the attendance of meetings. One statement for any number."""
    was_there = Q(signed_in_at__isnull=False) | Q(joined_seconds__gt=0)
    rows = (
        MeetingAttendee.objects.filter(meeting__in=[one.pk for one in meetings]).order_by().values("meeting_id")
        .annotate(
            asked=Count("pk"), signed=Count("pk", filter=Q(signed_in_at__isnull=False)),
            joined=Count("pk", filter=Q(joined_seconds__gt=0)), there=Count("pk", filter=was_there),
        )
    )  # fmt: skip
    found = {row["meeting_id"]: Coming(row["asked"], row["signed"], row["joined"], row["there"]) for row in rows}
    return {one.pk: found.get(one.pk, Coming(0, 0, 0, 0)) for one in meetings}


def people_of(meeting: Meeting) -> QuerySet[Any]:
    """Return those asked, by store: who is missing first."""
    rows = MeetingAttendee.objects.filter(meeting=meeting).select_related("staff", "staff__store", "staff__unit")
    return rows.order_by(F("signed_in_at").asc(nulls_first=True), "staff__store__code", "staff_id")
