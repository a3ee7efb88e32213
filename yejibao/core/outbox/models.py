"""Tables of the outbox."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class OutboxEvent(models.Model):
    """Something that happened in a lower department, waiting for those who listen."""

    topic = models.CharField(max_length=64)
    payload = models.JSONField()
    created_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    parked_at = models.DateTimeField(null=True)  # failed on its own five times; shown on the health page
    error = models.TextField(blank=True)

    class Meta:
        indexes = [
            # drain_events(): the oldest that waits
            models.Index(fields=["id"], name="event_waiting", condition=Q(done_at=None, parked_at=None)),
            # push health: what was set aside
            models.Index(fields=["id"], name="event_parked", condition=Q(done_at=None, parked_at__isnull=False)),
        ]


class OutboxMessage(models.Model):
    """One message to one recipient (reliability-security §6)."""

    class State(models.TextChoices):
        PENDING = "pending", _("排队")
        CLAIMED = "claimed", _("发送中")
        SENT = "sent", _("已送达")
        FAILED = "failed", _("推送失败")
        UNKNOWN = "unknown", _("结果不明")
        PARKED = "parked", _("待人工确认")
        CANCELLED = "cancelled", _("不用发了")
        EXPIRED = "expired", _("过期未发")
        CLOSED = "closed", _("已关闭")  # a person closed a failed or parked one, with a reason

    kind = models.CharField(max_length=32)  # names the renderer
    dedupe_key = models.CharField(max_length=128, unique=True)
    recipient = models.CharField(max_length=64)  # WeCom user id, lower case
    subject = models.CharField(max_length=128, blank=True)  # text for the renderer; core knows no tasks
    due_at = models.DateTimeField()
    not_after = models.DateTimeField(null=True)
    priority = models.SmallIntegerField(default=5)
    lane = models.IntegerField(default=0, db_default=0)  # who shares the budget with others: see turns.py; 0: nobody
    state = models.CharField(max_length=12, choices=State.choices, default=State.PENDING)
    body_bytes = models.BinaryField(null=True)  # rendered once, at the first claim; a retry sends these very bytes
    body_sha = models.CharField(max_length=64, blank=True)
    claim_token = models.UUIDField(null=True)
    claimed_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)  # PostgreSQL's clock
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField()
    first_unknown_at = models.DateTimeField(null=True)
    errcode = models.IntegerField(null=True)
    errmsg = models.CharField(max_length=255, blank=True)
    msgid = models.CharField(max_length=128, blank=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    retry_of = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="retries", db_index=False)
    closed_reason = models.CharField(max_length=255, blank=True)

    class Meta:
        # Each message is written three times, and each time into every index: not one more than a query names.
        indexes = [
            # turns.take(): the oldest of each lane, urgent first, without reading what else waits
            models.Index(
                fields=["priority", "lane", "next_at"],
                name="message_turn",
                condition=Q(state__in=["pending", "unknown"]),
            ),
            # the sender's pause and the health page: what is due, what comes next
            models.Index(fields=["next_at"], name="message_due", condition=Q(state__in=["pending", "unknown"])),
            # reclaim(): whose lease ran out
            models.Index(fields=["lease_until"], name="message_lease", condition=Q(state="claimed")),
            # push health: what failed, newest first
            models.Index(fields=["-created_at"], name="message_trouble", condition=Q(state__in=["failed", "parked"])),
            # push health: those of some days; rows of one time lie together
            BrinIndex(fields=["created_at"], name="message_days", autosummarize=True),
            # a row that goes takes no look at the whole table for those that were sent in its place
            models.Index(fields=["retry_of"], name="message_retries", condition=Q(retry_of__isnull=False)),
        ]


class SendingGate(models.Model):
    """Nothing is sent while there is a row that nobody has opened. A restore writes one."""

    shut_at = models.DateTimeField()
    why = models.CharField(max_length=255)
    opened_at = models.DateTimeField(null=True)
    opened_by = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=255, blank=True)
