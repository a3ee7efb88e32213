"""Surveys: who was asked about what, what he said, and what was said to that; with the figures of each day."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from .rules import rules
from .tokens import known_token

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class SurveyQuerySet(models.QuerySet["Survey"]):
    def visible_to(self, actor: Actor) -> SurveyQuerySet:
        """A guide: her own good words; those above: what was said in their stores; a member: his own."""
        from .scoped import survey_filter

        return self.filter(survey_filter(actor))

    def answered(self) -> SurveyQuerySet:
        return self.filter(answered_at__isnull=False)

    def waiting(self, now: datetime) -> SurveyQuerySet:
        """Those he may still answer."""
        return self.filter(answered_at=None, expires_at__gt=now)


class Survey(models.Model):
    """One question to one member, answered once. `cause` is what it is about: order:7, ticket:9, fitting:3."""

    class Kind(models.TextChoices):
        PURCHASE = "purchase", _("购买")
        SERVICE = "service", _("售后")
        FITTING = "fitting", _("量体定制")

    class Way(models.TextChoices):
        LINK = "link", _("链接")
        PAGE = "page", _("会员页")
        APP = "app", _("小程序")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    cause = models.CharField(max_length=32, unique=True)
    member = models.ForeignKey("crm.Member", on_delete=models.PROTECT, related_name="surveys", db_index=False)
    order = models.ForeignKey("crm.Order", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    ticket = models.OneToOneField("crm.Ticket", null=True, on_delete=models.PROTECT, related_name="survey")
    store = models.ForeignKey("guides.Store", on_delete=models.PROTECT, related_name="+", db_index=False)
    guide = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    token_hash = models.CharField(max_length=64, unique=True)
    about_at = models.DateTimeField()  # when he bought, collected, or was done with
    asked_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    way = models.CharField(max_length=4, choices=Way.choices, blank=True)
    stars = models.PositiveSmallIntegerField(null=True)
    reasons = ArrayField(models.CharField(max_length=16), default=list)
    words = models.CharField(max_length=300, blank=True)
    is_anonymous = models.BooleanField(default=False)  # to the guide
    complaint = models.OneToOneField("crm.Ticket", null=True, on_delete=models.PROTECT, related_name="low_survey")
    reply = models.CharField(max_length=300, blank=True)
    replied_by = models.ForeignKey(
        "guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    replied_at = models.DateTimeField(null=True)

    objects = SurveyQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["member", "-asked_at"], name="survey_of_member"),
            # the lists of comments: a store's, a guide's, everybody's, the newest first
            models.Index(
                fields=["store", "-answered_at"], name="survey_of_store", condition=Q(answered_at__isnull=False)
            ),
            models.Index(
                fields=["guide", "-answered_at"], name="survey_of_guide", condition=Q(answered_at__isnull=False)
            ),
            models.Index(fields=["-answered_at"], name="survey_answered", condition=Q(answered_at__isnull=False)),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(stars__isnull=True, answered_at__isnull=True)
                | Q(stars__range=(1, 5), answered_at__isnull=False),
                name="survey_answered_has_stars",
            ),
            models.CheckConstraint(
                condition=Q(replied_at__isnull=True) | Q(answered_at__isnull=False), name="survey_reply_to_an_answer"
            ),
        ]

    @property
    def token(self) -> str:
        """Return the secret of its link; "" where the key it was made with is gone."""
        return known_token(self.public_id, self.token_hash)

    @property
    def chips(self) -> str:
        """Return the reasons he tapped, in words."""
        return "、".join(rules().kinds[self.kind].names_of(self.reasons))


class SurveyRefusal(models.Model):
    """以后不用问我: no survey is asked of this member; he may take it back."""

    member = models.OneToOneField("crm.Member", on_delete=models.CASCADE, related_name="+", primary_key=True)
    at = models.DateTimeField(db_default=Now())


class SurveyDay(models.Model):
    """What was asked and answered on one day, by store, guide and kind; counted in the transaction that does it."""

    day = models.DateField()
    store = models.ForeignKey("guides.Store", on_delete=models.CASCADE, related_name="+", db_index=False)
    guide = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=8)
    asked = models.IntegerField(default=0)
    answered = models.IntegerField(default=0)
    stars = models.IntegerField(default=0)  # the sum
    five = models.IntegerField(default=0)
    four = models.IntegerField(default=0)
    low = models.IntegerField(default=0)  # two and fewer

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["store", "day", "guide", "kind"], name="survey_day_once", nulls_distinct=False
            )
        ]
        indexes = [models.Index(fields=["day"], name="survey_day")]


class SurveyReason(models.Model):
    """How often a chip was tapped on one day in one store."""

    day = models.DateField()
    store = models.ForeignKey("guides.Store", on_delete=models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=8)
    reason = models.CharField(max_length=16)
    count = models.IntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["store", "day", "kind", "reason"], name="survey_reason_once")]
        indexes = [models.Index(fields=["day"], name="survey_reason_day")]
