"""A sweep over the platform's lists, and its parts."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class SyncRun(models.Model):
    """One sweep: who is on the list, what was changed by it, and how far it is."""

    class Kind(models.TextChoices):
        STAFF = "staff", _("员工和部门")
        FRIENDS = "friends", _("客户")
        TAGS = "tags", _("企业标签")
        MARKS = "marks", _("客户标签核对")
        DELTA = "delta", _("每小时找新好友")

    class State(models.TextChoices):
        RUNNING = "running", _("同步中")
        DONE = "done", _("已完成")
        STOPPED = "stopped", _("已停止")

    kind = models.CharField(max_length=8, choices=Kind.choices)
    state = models.CharField(max_length=8, choices=State.choices, default=State.RUNNING)
    started_at = models.DateTimeField()
    actor_id = models.BigIntegerField(null=True)  # who pressed the button
    finished_at = models.DateTimeField(null=True)
    moved_at = models.DateTimeField(null=True)  # the last page
    parts_total = models.PositiveIntegerField(default=0)
    parts_done = models.PositiveIntegerField(default=0)
    counts = models.JSONField(default=dict)  # calls, contacts, new, changed, lost …
    last_error = models.CharField(max_length=255, blank=True)
    next_at = models.DateTimeField(null=True)  # the platform asked to wait until then

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind"], condition=Q(state="running"), name="sync_one_running")]
        indexes = [models.Index(fields=["kind", "-started_at"], name="sync_newest")]


class SyncPart(models.Model):
    """Up to a hundred people (or departments) of a sweep, and where the reading of their list stands."""

    run = models.ForeignKey(SyncRun, on_delete=models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()
    keys = ArrayField(models.CharField(max_length=64))  # user ids
    cursor = models.TextField(blank=True)  # "": from the beginning
    is_done = models.BooleanField(default=False)
    row_count = models.PositiveIntegerField(default=0)
    found = ArrayField(models.CharField(max_length=64), default=list)  # who was on it, where the end of the sweep asks
    restarts = models.PositiveSmallIntegerField(default=0)  # the cursor had died (50100)
    lease_until = models.DateTimeField(null=True)  # PostgreSQL's clock

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="sync_part_number")]
        indexes = [models.Index(fields=["run", "number"], name="sync_part_open", condition=Q(is_done=False))]
