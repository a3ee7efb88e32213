"""Reads of votes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, QuerySet

from guides.org.models import Staff
from yejibao.core.scope import Actor

from .models import Vote, VoteBallot, VoteOption

SHOWN = 50
NAMES = 200


@dataclass(frozen=True)
class Mine:
    """A vote as one of its voters sees it."""

    vote: Vote
    is_cast: bool
    is_open: bool


@dataclass(frozen=True)
class Tally:
    """One option with its votes; `share` of all who voted, in percent. `names` only where votes have names."""

    option: VoteOption
    share: int
    is_first: bool


def own_votes(actor: Actor, *, now: datetime) -> list[Mine]:
    """Return what one may vote in, the open ones one has not voted in first. One statement."""
    rows = VoteBallot.objects.filter(staff_id=actor.staff_id or 0, vote__withdrawn_at=None).select_related(
        "vote", "vote__unit"
    )
    found = [Mine(row.vote, row.is_cast, row.vote.is_open(now)) for row in rows.order_by("-vote_id")[:SHOWN]]
    return sorted(found, key=lambda one: (not (one.is_open and not one.is_cast), -one.vote.pk))


def open_count(actor: Actor, *, now: datetime) -> int:
    """Return how many votes wait for this person."""
    rows = VoteBallot.objects.filter(staff_id=actor.staff_id or 0, is_cast=False)
    return rows.filter(vote__withdrawn_at=None, vote__deadline_at__gt=now).count()


def result_of(vote: Vote) -> list[Tally]:
    """Return the options with what they came to, in their order. One statement."""
    options = list(VoteOption.objects.filter(vote=vote).order_by("place"))
    most = max((one.count for one in options), default=0)
    return [
        Tally(one, round(100 * one.count / vote.cast_count) if vote.cast_count else 0, bool(most) and one.count == most)
        for one in options
    ]


def names_of(option: VoteOption) -> list[str]:
    """Return who chose an option, of a vote with names."""
    people = Staff.objects.filter(pk__in=option.choices.values("ballot__staff_id")).select_related("store")
    return [
        f"{one.name}（{one.store.short_name}）" if one.store else one.name
        for one in people.order_by("store__code", "pk")[:NAMES]
    ]


def silent_people(vote: Vote) -> QuerySet[Staff]:
    """Return who has a ballot and has not voted."""
    rows = VoteBallot.objects.filter(vote=vote, is_cast=False)
    return (
        Staff.objects.employed()
        .filter(pk__in=rows.values("staff_id"))
        .order_by(F("store_id").asc(nulls_last=True), "pk")
    )
