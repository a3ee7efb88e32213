"""会议: the plan, who is asked, who came. The call itself is Enterprise WeChat's, or whatever the link leads to."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class MeetingQuerySet(models.QuerySet["Meeting"]):
    def visible_to(self, actor: Actor) -> MeetingQuerySet:
        """What one is asked to, and what one's unit plans."""
        from .scoped import meeting_filter

        return self.filter(meeting_filter(actor))


class Meeting(models.Model):
    """One meeting. Those it asks are told a few thousand at a time (`spread_to`), and again 15 minutes before."""

    class Platform(models.TextChoices):
        NONE = "none", _("不建企业微信会议")
        ASKED = "asked", _("正在企业微信里建")
        MADE = "made", _("企业微信会议")
        FAILED = "failed", _("企业微信里没建成")

    title = models.CharField(max_length=40)
    text = models.CharField(max_length=500, blank=True)
    starts_at = models.DateTimeField()
    minutes = models.PositiveSmallIntegerField(default=30)
    place = models.CharField(max_length=80, blank=True)
    link = models.CharField(max_length=300, blank=True)  # where one joins
    platform = models.CharField(max_length=8, choices=Platform.choices, default=Platform.NONE)
    platform_id = models.CharField(max_length=64, blank=True)
    platform_code = models.CharField(max_length=32, blank=True)  # the number one types in
    platform_error = models.CharField(max_length=120, blank=True)
    platform_until = models.DateTimeField(null=True)  # a worker is asking the platform, at most so long
    audience = models.JSONField(default=dict)
    audience_words = models.CharField(max_length=200, blank=True)
    unit = models.ForeignKey("guides.OrgUnit", on_delete=models.PROTECT, related_name="+")
    author = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="+")
    needs_sign_in = models.BooleanField(default=True)
    planned_at = models.DateTimeField()
    cancelled_at = models.DateTimeField(null=True)
    spread_to = models.BigIntegerField(default=0)
    spread_at = models.DateTimeField(null=True)
    reminded_at = models.DateTimeField(null=True)
    counted_at = models.DateTimeField(null=True)  # when the platform was asked who came
    attendee_count = models.PositiveIntegerField(default=0)

    objects = MeetingQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(minutes__gte=5, minutes__lte=1439), name="meeting_length"),
            models.CheckConstraint(condition=~Q(platform="made") | ~Q(platform_id=""), name="meeting_made_has_id"),
        ]
        indexes = [
            models.Index(fields=["unit", "-starts_at", "-id"], name="meeting_of_unit"),
            models.Index(fields=["starts_at"], name="meeting_reminding", condition=Q(reminded_at=None, cancelled_at=None)),
            models.Index(fields=["id"], name="meeting_spreading", condition=Q(spread_at=None, cancelled_at=None)),
            models.Index(fields=["id"], name="meeting_asked", condition=Q(platform="asked")),
            models.Index(fields=["starts_at"], name="meeting_counting",
                         condition=Q(platform="made", counted_at=None, cancelled_at=None)),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.title

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + timedelta(minutes=self.minutes)

    @property
    def key(self) -> str:
        return f"meeting:{self.pk}"


class MeetingAttendee(models.Model):
    """One person who is asked to a meeting, and whether she came."""

    meeting = models.ForeignKey(Meeting, on_delete=models.CASCADE, related_name="attendees", db_index=False)
    staff = models.ForeignKey("guides.Staff", on_delete=models.CASCADE, related_name="+", db_index=False)
    signed_in_at = models.DateTimeField(null=True)
    joined_seconds = models.PositiveIntegerField(null=True)  # in the platform's call; null: not known

    class Meta:
        constraints = [models.UniqueConstraint(fields=["meeting", "staff"], name="meeting_attendee_once")]
        indexes = [models.Index(fields=["staff", "-meeting"], name="meeting_of_attendee")]
