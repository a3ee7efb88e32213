"""One drawn ticket and what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class ServiceCheckQuerySet(models.QuerySet["ServiceCheck"]):
    def visible_to(self, actor: Actor) -> ServiceCheckQuerySet:
        """Who answered: what is said of him; his manager: of her store; the desk and HQ: all, and what waits to be checked."""
        from .scoped import check_filter

        return self.filter(check_filter(actor))


class ServiceCheck(models.Model):
    """质检: a closed ticket that was drawn, then scored by somebody who did not answer it."""

    class Why(models.TextChoices):
        LOW = "low", _("评了低分")
        REOPENED = "reopened", _("又打开过")
        DRAWN = "drawn", _("抽到")

    ticket = models.OneToOneField("crm.Ticket", on_delete=models.CASCADE, related_name="check_of")
    week = models.DateField()  # the Monday of the week in which it was closed
    store = models.ForeignKey("guides.Store", on_delete=models.PROTECT, related_name="+")
    answered_by = models.ForeignKey(
        "guides.Staff", on_delete=models.PROTECT, related_name="service_checks", db_index=False
    )
    why = models.CharField(max_length=8, choices=Why.choices)
    drawn_at = models.DateTimeField()
    marks = models.JSONField(
        default=dict, db_default=models.Value({}, models.JSONField())
    )  # {item of the checklist: yes, no or na}
    score = models.PositiveSmallIntegerField(null=True)  # of 100
    comment = models.CharField(max_length=500, blank=True, default="", db_default="")
    checked_by = models.ForeignKey(
        "guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    checked_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)  # by who answered

    objects = ServiceCheckQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["drawn_at", "id"], name="service_check_waits", condition=Q(checked_at=None)),
            models.Index(fields=["checked_at", "id"], name="service_check_done", condition=Q(checked_at__isnull=False)),
            models.Index(fields=["answered_by", "checked_at"], name="service_check_of"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(checked_at=None, checked_by=None) | Q(checked_at__isnull=False, checked_by__isnull=False),
                name="service_check_by_somebody",
            ),
            models.CheckConstraint(condition=Q(score=None) | Q(score__lte=100), name="service_check_of_100"),
            models.CheckConstraint(
                condition=Q(seen_at=None) | Q(checked_at__isnull=False), name="service_check_seen_after"
            ),
        ]
