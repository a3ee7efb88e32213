"""投票: what is asked, who may vote, who has; and, where it is not anonymous, what each chose.

An anonymous vote has no row that leads from a person to a choice: a ballot says that she voted and not when, the options are
counted, and all of a vote's options are written at once, so that not even the database's own marks tell them apart.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import F, Q

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class VoteQuerySet(models.QuerySet["Vote"]):
    def visible_to(self, actor: Actor) -> VoteQuerySet:
        """What one may vote in, and what one's unit asks."""
        from .scoped import vote_filter

        return self.filter(vote_filter(actor))


class Vote(models.Model):
    """One question with its options. Its ballots are handed out a few thousand at a time (`spread_to`)."""

    title = models.CharField(max_length=60)
    text = models.CharField(max_length=500, blank=True)
    most_choices = models.PositiveSmallIntegerField(default=1)  # 1: single choice
    is_anonymous = models.BooleanField(default=False)
    shows_at_once = models.BooleanField(
        default=True
    )  # the result to who has voted; an anonymous one after its end only
    audience = models.JSONField(default=dict)  # announcements/audience.py
    audience_words = models.CharField(max_length=200, blank=True)
    unit = models.ForeignKey("guides.OrgUnit", on_delete=models.PROTECT, related_name="+")  # whose question it is
    author = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="+")
    opened_at = models.DateTimeField()
    deadline_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True)
    spread_to = models.BigIntegerField(default=0)  # everybody of the audience up to this id has a ballot
    spread_at = models.DateTimeField(null=True)
    ballot_count = models.PositiveIntegerField(default=0)
    cast_count = models.PositiveIntegerField(default=0)

    objects = VoteQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(deadline_at__gt=F("opened_at")), name="vote_ends_after_it_begins"),
            models.CheckConstraint(condition=Q(most_choices__gte=1), name="vote_has_a_choice"),
            # What an anonymous vote has come to is told when nobody votes any more.
            models.CheckConstraint(
                condition=Q(is_anonymous=False) | Q(shows_at_once=False), name="vote_anonymous_at_end"
            ),
        ]
        indexes = [
            models.Index(fields=["unit", "-opened_at", "-id"], name="vote_of_unit"),
            models.Index(fields=["id"], name="vote_spreading", condition=Q(spread_at=None, withdrawn_at=None)),
        ]

    def __str__(self) -> str:
        return self.title

    def is_open(self, now: datetime) -> bool:
        return self.withdrawn_at is None and now < self.deadline_at

    def shows_result(self, now: datetime, *, has_cast: bool) -> bool:
        """Tell whether its result may be seen: after the end by all, before it by who has voted where that is wanted."""
        return now >= self.deadline_at or self.shows_at_once and has_cast

    @property
    def key(self) -> str:
        return f"vote:{self.pk}"


class VoteOption(models.Model):
    """One thing that may be chosen, and how often it was."""

    vote = models.ForeignKey(Vote, on_delete=models.CASCADE, related_name="options", db_index=False)
    place = models.PositiveSmallIntegerField()
    text = models.CharField(max_length=40)
    count = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["vote", "place"], name="vote_option_place")]


class VoteBallot(models.Model):
    """One person's right to vote once."""

    vote = models.ForeignKey(Vote, on_delete=models.CASCADE, related_name="ballots", db_index=False)
    staff = models.ForeignKey("guides.Staff", on_delete=models.CASCADE, related_name="+", db_index=False)
    is_cast = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["vote", "staff"], name="vote_ballot_once")]
        indexes = [models.Index(fields=["staff", "-vote"], name="vote_ballot_of_staff")]


class VoteChoice(models.Model):
    """What somebody chose, in a vote with names. An anonymous vote has none."""

    ballot = models.ForeignKey(VoteBallot, on_delete=models.CASCADE, related_name="choices", db_index=False)
    option = models.ForeignKey(VoteOption, on_delete=models.CASCADE, related_name="choices")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["ballot", "option"], name="vote_choice_once")]
