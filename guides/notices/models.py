"""What each person was told: the notification centre."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class NotificationQuerySet(models.QuerySet["Notification"]):
    def visible_to(self, actor: Actor) -> NotificationQuerySet:
        """One's own, whatever one's role."""
        return self.filter(staff_id=actor.staff_id or 0)

    def unread(self) -> NotificationQuerySet:
        return self.filter(read_at=None)


class Notification(models.Model):
    """One thing one person is told in the house, whether or not a push of the platform tells it too.

    Of one `key` at most one is unread: what is told again takes its place, so that a busy day is not a hundred lines.
    """

    class Kind(models.TextChoices):
        TASK = "task", _("任务")
        APPROVAL = "approval", _("审批")
        REVIEW = "review", _("复盘")
        TICKET = "ticket", _("售后")
        RECTIFICATION = "rectification", _("整改")
        ANNOUNCEMENT = "announcement", _("公告")
        MEMBER = "member", _("会员")
        HELP = "help", _("呼叫总部")
        VOTE = "vote", _("投票")
        MEETING = "meeting", _("会议")
        EXPORT = "export", _("导出")
        GOODS = "goods", _("货品")

    staff = models.ForeignKey("guides.Staff", on_delete=models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    key = models.CharField(max_length=64)  # what it is about, e.g. task:17
    title = models.CharField(max_length=60)
    text = models.CharField(max_length=200, blank=True)
    url = models.CharField(max_length=255)  # a path of ours
    at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)
    # How it went out besides; null: only here. No constraint: it is written with each push, and a push is never deleted.
    message = models.ForeignKey(
        "core.OutboxMessage",
        null=True,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )

    objects = NotificationQuerySet.as_manager()

    class Meta:
        constraints = [
            # tell(): told again; the number beside 我的, counted from this index alone
            models.UniqueConstraint(fields=["staff", "key"], condition=Q(read_at=None), name="notification_unread_once")
        ]
        indexes = [
            models.Index(fields=["staff", "-at", "-id"], name="notification_of_staff"),  # the page
            BrinIndex(fields=["at"], name="notification_days", autosummarize=True),  # forget_old()
        ]
