"""Exports that were asked for, and the file of one until it is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from yejibao.core.personal import EncryptedField

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class ExportQuerySet(models.QuerySet["Export"]):
    def visible_to(self, actor: Actor) -> ExportQuerySet:
        """One's own and nobody else's; who approves reads the request, not the export."""
        if actor.is_system:
            return self
        return self.filter(staff_id=actor.staff_id) if actor.staff_id else self.none()


class Export(models.Model):
    """One workbook somebody wants. The database decides whether it is made: a job only wakes the code."""

    class State(models.TextChoices):
        WAITING = "waiting", _("等审批")
        QUEUED = "queued", _("排队中")
        RUNNING = "running", _("生成中")
        READY = "ready", _("可以下载")
        TAKEN = "taken", _("已下载")
        REFUSED = "refused", _("没同意")
        FAILED = "failed", _("没做成")
        EXPIRED = "expired", _("过期没下载")

    GOING_ON = (State.WAITING, State.QUEUED, State.RUNNING)
    NOT_COUNTED = (State.REFUSED, State.FAILED)  # against the five of a day

    kind = models.CharField(max_length=32)  # registry.py
    title = models.CharField(max_length=120)
    params = models.JSONField(default=dict)
    with_phone = models.BooleanField(default=False)
    reason = models.CharField(max_length=255, blank=True)
    staff = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="exports")
    working_role = models.CharField(max_length=32)
    state = models.CharField(max_length=8, choices=State.choices)
    asked_at = models.DateTimeField()
    asked_on = models.DateField()  # local day, for the five of a day
    ip = models.GenericIPAddressField(null=True)
    agent = models.CharField(max_length=255, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    rows_total = models.PositiveIntegerField(default=0)
    rows_done = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)  # by PostgreSQL's clock
    error = models.CharField(max_length=255, blank=True)  # a sentence for who asked
    ready_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    link_hash = models.CharField(max_length=64, blank=True)  # SHA-256 of what stands in the link
    link_until = models.DateTimeField(null=True)

    objects = ExportQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["staff", "-asked_at"], name="export_of_person"),
            models.Index(
                fields=["state"], name="export_in_hand", condition=Q(state__in=("queued", "running", "ready"))
            ),
        ]

    @property
    def is_going_on(self) -> bool:
        return self.state in self.GOING_ON

    @property
    def percent(self) -> int:
        return min(100, 100 * self.rows_done // self.rows_total) if self.rows_total else 0


class ExportFile(models.Model):
    """The workbook, encrypted; gone as soon as it is taken, after a day at the latest."""

    export = models.OneToOneField(Export, on_delete=models.CASCADE, primary_key=True, related_name="file")
    content = EncryptedField()  # base64 of the xlsx
