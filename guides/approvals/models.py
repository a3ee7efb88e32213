"""What waits for a second pair of eyes, and what those eyes said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from datetime import datetime

    from yejibao.core.scope import Actor


class ApprovalQuerySet(models.QuerySet["Approval"]):
    def visible_to(self, actor: Actor) -> ApprovalQuerySet:
        """What one asked oneself, decided on, or may decide on."""
        from .scoped import approval_filter

        return self.filter(approval_filter(actor))

    def waiting_for(self, actor: Actor, *, now: datetime) -> ApprovalQuerySet:
        """待我审批: what this person may approve or refuse now. Never his own, never one he has approved already."""
        from .scoped import waiting_filter

        return self.filter(waiting_filter(actor), state=Approval.State.ASKED, ends_at__gt=now)

    def with_people(self) -> ApprovalQuerySet:
        return self.select_related("asked_by__store").prefetch_related("steps__by")


class Approval(models.Model):
    """A request of one person that others approve. `facts` are ids for whoever carries it out, never personal data."""

    class State(models.TextChoices):
        ASKED = "asked", _("待审批")
        APPROVED = "approved", _("已批准")
        REFUSED = "refused", _("没同意")
        WITHDRAWN = "withdrawn", _("已撤回")
        EXPIRED = "expired", _("已过期")

    kind = models.CharField(max_length=48)  # data/four_eyes.yaml
    key = models.CharField(max_length=64)  # what it is about; of one kind and key one waits
    title = models.CharField(max_length=120)
    reason = models.CharField(max_length=255)
    url = models.CharField(max_length=255, blank=True)  # where the thing itself is seen; a path of ours
    unit = models.ForeignKey("guides.OrgUnit", on_delete=models.PROTECT, related_name="+")  # who approves reaches it
    facts = models.JSONField(default=dict)
    asked_by = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="+")
    asked_role = models.CharField(max_length=32)
    asked_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.ASKED)
    decided_at = models.DateTimeField(null=True)

    objects = ApprovalQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "key"], condition=Q(state="asked"), name="approval_one_waits")
        ]
        indexes = [
            models.Index(fields=["asked_by", "-asked_at"], name="approval_of_asker"),
            models.Index(fields=["ends_at"], condition=Q(state="asked"), name="approval_waiting"),
        ]


class ApprovalStep(models.Model):
    """One approval that is needed, by a holder of any of `roles`. Copied from the data when it was asked."""

    approval = models.ForeignKey(Approval, on_delete=models.CASCADE, related_name="steps")
    number = models.PositiveSmallIntegerField()
    roles = ArrayField(models.CharField(max_length=32))
    by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+")
    is_approved = models.BooleanField(null=True)
    answer = models.CharField(max_length=255, blank=True)
    at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["approval", "number"], name="approval_step_number"),
            # Two approvals are two people's, whatever a page or a program says.
            models.UniqueConstraint(fields=["approval", "by"], name="approval_step_by_another"),
            models.CheckConstraint(
                condition=Q(by=None, is_approved=None) | Q(by__isnull=False, is_approved__isnull=False),
                name="approval_step_decided",
            ),
        ]
