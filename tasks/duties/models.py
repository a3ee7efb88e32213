"""What staff do that concerns no member: read an announcement, put a finding right, change a window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class DutyQuerySet(models.QuerySet["Duty"]):
    def visible_to(self, actor: Actor) -> DutyQuerySet:
        """One's own, and those of people whose work is his to look after."""
        from guides.org.models import Staff

        return self if actor.is_system else self.filter(assignee__in=Staff.objects.answering_to(actor))


class Duty(models.Model):
    """店务: a task of families `internal` and `patrol` (task_types.yaml), done on the page of the room that asked for it.

    It has no member, so nothing of the engine applies: no caps, no scripts, no evidence ladder. Whoever opened it closes it.
    """

    class State(models.TextChoices):
        OPEN = "open", _("待办")
        DONE = "done", _("已完成")
        EXPIRED = "expired", _("已失效")
        CANCELLED = "cancelled", _("已取消")

    task_type = models.CharField(max_length=32)
    key = models.CharField(max_length=64)  # what it is about: announcement:17
    assignee = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="duties", db_index=False)
    title = models.CharField(max_length=60)
    why = models.CharField(max_length=160, blank=True)
    url = models.CharField(max_length=255)  # where it is done; a path of ours
    priority = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    open_at = models.DateTimeField()
    due_at = models.DateTimeField()
    expire_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    objects = DutyQuerySet.as_manager()

    class Meta:
        constraints = [
            # open_duties(): asked for again it is no second one; close_duties() finds all of a key
            models.UniqueConstraint(fields=["task_type", "key", "assignee"], name="duty_once"),
            models.CheckConstraint(condition=Q(due_at__lte=F("expire_at")), name="duty_due_before_expiry"),
            models.CheckConstraint(condition=Q(state="open") ^ Q(closed_at__isnull=False), name="duty_closed_has_time"),
        ]
        indexes = [
            models.Index(fields=["assignee", "due_at"], name="duty_assignee", condition=Q(state="open")),  # 今日
            models.Index(fields=["expire_at"], name="duty_expiring", condition=Q(state="open")),  # expire_duties()
        ]
