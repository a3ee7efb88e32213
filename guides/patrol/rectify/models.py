"""整改: how a finding is put right, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from yejibao.core.scope import Actor

PHOTOS = "rectification"  # room of the files that hang on a step


class RectificationQuerySet(models.QuerySet["Rectification"]):
    def visible_to(self, actor: Actor) -> RectificationQuerySet:
        """Those of findings in sight."""
        from ..models import Finding

        return self if actor.is_system else self.filter(finding__in=Finding.objects.visible_to(actor))

    def with_finding(self) -> RectificationQuerySet:
        return self.select_related(
            "finding__item", "finding__owner", "finding__visit__patroller", "finding__store__unit", "checker"
        )


class Rectification(models.Model):
    """What the finding's own row does not say: which round it is, who checks, what it waits for, who was told it is late."""

    finding = models.OneToOneField(
        "guides.Finding", primary_key=True, on_delete=models.CASCADE, related_name="rectification"
    )
    round = models.PositiveSmallIntegerField(default=1)  # grows when it is sent back or given to another
    first_deadline_at = models.DateTimeField()
    returned_count = models.PositiveSmallIntegerField(default=0)
    submitted_at = models.DateTimeField(null=True)  # the last time
    submitted_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+")
    checker = models.ForeignKey(
        "guides.Staff", null=True, on_delete=models.PROTECT, related_name="rectifications_to_check"
    )
    closed_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+")
    is_on_time = models.BooleanField(null=True)  # accepted, and the last submit was before the deadline
    waits_for = models.CharField(max_length=120, blank=True, default="")  # needs money or a workman: HQ was called
    waits_since = models.DateTimeField(null=True)
    low_count = models.PositiveSmallIntegerField(default=0)  # how often the item was <= 2 in 90 days, this one included
    told_late = models.PositiveSmallIntegerField(default=0)  # 0 nobody, 1 the area, 2 the region
    told_unchecked_at = models.DateTimeField(null=True)

    objects = RectificationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(waits_since=None, waits_for="") | (Q(waits_since__isnull=False) & ~Q(waits_for="")),
                name="rectification_waits_with_reason",
            )
        ]
        indexes = [
            # 待我复查, and what nobody checked for two days
            models.Index(
                fields=["checker", "submitted_at"], condition=Q(is_on_time=None), name="rectification_to_check"
            ),
        ]


class FindingStepQuerySet(models.QuerySet["FindingStep"]):
    def visible_to(self, actor: Actor) -> FindingStepQuerySet:
        """Steps of findings in sight; their photos are seen by whoever sees them."""
        from ..models import Finding

        return self if actor.is_system else self.filter(finding__in=Finding.objects.visible_to(actor))


class FindingStep(models.Model):
    """One thing that happened to a finding. Append only; photos hang on it (files, room `rectification`)."""

    class Kind(models.TextChoices):
        OPENED = "opened", _("开出整改")
        MOVED = "moved", _("换人整改")
        SUBMITTED = "submitted", _("提交整改")
        ACCEPTED = "accepted", _("复查通过")
        REJECTED = "rejected", _("复查退回")
        WAIVED = "waived", _("不用整改了")
        WAITS = "waits", _("等总部处理")
        RESUMED = "resumed", _("继续整改")
        LATE = "late", _("逾期上报")
        UNCHECKED = "unchecked", _("没人复查，转区长")

    finding = models.ForeignKey("guides.Finding", on_delete=models.CASCADE, related_name="steps", db_index=False)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    at = models.DateTimeField()
    by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+")
    note = models.CharField(max_length=255, blank=True)

    objects = FindingStepQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["finding", "id"], name="finding_step_of")]
