"""What is wrong with data that came in long ago: counts by day, and the newest examples of each."""

from __future__ import annotations

from typing import Any

from django.db import models

from yejibao.core.scope import Actor


class QualityRun(models.Model):
    """One look through all members and orders, in ranges; a run that was stopped goes on at its hand."""

    day = models.DateField(unique=True)
    part = models.PositiveSmallIntegerField(default=0)  # place in services.PARTS
    hand = models.BigIntegerField(default=0)
    counts = models.JSONField(default=dict)  # check -> how many
    found = models.JSONField(default=dict)  # check -> [[id, what it shares with others], …], the newest first
    started_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)


class QualityCount(models.Model):
    """How many rows a check found on a day."""

    check_key = models.CharField(max_length=32)
    day = models.DateField()
    count = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["check_key", "day"], name="quality_check_day")]


class QualityFindingQuerySet(models.QuerySet["QualityFinding"]):
    def visible_to(self, actor: Actor) -> Any:
        """Findings about members whose card the actor may open, and about orders he may read."""
        from crm.members.models import Member
        from crm.orders.models import Order

        return self.filter(
            models.Q(member__in=Member.objects.visible_to(actor)) | models.Q(order__in=Order.objects.visible_to(actor))
        )


class QualityFinding(models.Model):
    """One of the newest examples of what a check found last night; `shared` is the same for those that are alike."""

    check_key = models.CharField(max_length=32)
    place = models.PositiveIntegerField()  # in the list of the check
    member = models.ForeignKey("crm.Member", null=True, on_delete=models.CASCADE, related_name="+", db_index=False)
    order = models.ForeignKey("crm.Order", null=True, on_delete=models.CASCADE, related_name="+", db_index=False)
    shared = models.CharField(max_length=64, blank=True)

    objects = QualityFindingQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["check_key", "place"], name="quality_finding_place")]
