"""What was asked for, who was to confirm it, and what became of it for whom."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class MassSend(models.Model):
    """One call of add_msg_template or add_moment_task (reliability-security §6: not repeatable, so never asked twice blindly).

    planned --claim--> asked --errcode 0--> created (a moment: making, then created) --all confirmed, or a week--> ended
                         |--refused--> failed        |--surely not made--> planned (next_at)
                         |--nobody knows--> unknown --found in the platform's list--> created
                                              |--not there, and late enough to be sure--> planned
                                              |--two that cannot be told apart--> held, for a person
    """

    class Kind(models.TextChoices):
        MESSAGE = "message", _("群发给客户")
        GROUP = "group", _("群发到客户群")
        MOMENT = "moment", _("朋友圈")

    class State(models.TextChoices):
        PLANNED = "planned", _("等着创建")
        ASKED = "asked", _("正在创建")
        UNKNOWN = "unknown", _("结果不明，正在查对")
        MAKING = "making", _("平台正在创建")
        CREATED = "created", _("等导购确认")
        ENDED = "ended", _("已结束")
        FAILED = "failed", _("创建失败")
        HELD = "held", _("待人工确认")
        CANCELLED = "cancelled", _("已取消")

    MOVING = (State.PLANNED, State.ASKED, State.UNKNOWN, State.MAKING, State.CREATED)

    key = models.CharField(max_length=100)  # whoever plans it chooses it; a second plan with it changes nothing
    part = models.PositiveIntegerField(default=1)  # of those the platform's limit of a call makes of one plan
    kind = models.CharField(max_length=8, choices=Kind.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PLANNED)
    sender = models.CharField(max_length=64, blank=True)  # user id, lower case; "": whoever talked to the customer last
    text = models.TextField(blank=True)
    attachments = models.JSONField(default=list)
    tag_ids = ArrayField(models.CharField(max_length=64), default=list)  # of a moment: who may see it
    target_count = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField()
    not_after = models.DateTimeField(null=True)  # later it is not created any more
    next_at = models.DateTimeField()  # the next step, whichever it is
    created_at = models.DateTimeField()
    claim_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)  # PostgreSQL's clock
    asked_at = models.DateTimeField(null=True)
    asked_count = models.PositiveSmallIntegerField(default=0)
    platform_id = models.CharField(max_length=128, blank=True)  # msgid or moment_id
    job_id = models.CharField(max_length=128, blank=True)  # of a moment that is being made
    made_at = models.DateTimeField(null=True)
    errcode = models.IntegerField(null=True)
    error = models.CharField(max_length=255, blank=True)
    remind_at = ArrayField(models.DateTimeField(), default=list)  # when those are to be reminded who have not confirmed
    reminded_at = ArrayField(models.DateTimeField(), default=list)  # tries, answered or not
    read_at = models.DateTimeField(null=True)  # the results, to their end
    place = models.JSONField(default=dict)  # how far reading is: {"step", "userid", "cursor"}

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key", "part"], name="mass_key_part"),
            # what the platform made stands for one of ours only
            models.UniqueConstraint(fields=["platform_id"], condition=~Q(platform_id=""), name="mass_platform_id"),
        ]
        indexes = [
            # claim(): whose next step is due
            models.Index(
                fields=["next_at"], name="mass_due",
                condition=Q(state__in=["planned", "asked", "unknown", "making", "created"]),
            ),
        ]  # fmt: skip


class MassSender(models.Model):
    """Who has to confirm it."""

    send = models.ForeignKey(MassSend, on_delete=models.CASCADE, related_name="senders")
    userid = models.CharField(max_length=64)  # lower case
    has_sent = models.BooleanField(default=False)
    sent_at = models.DateTimeField(null=True)
    is_read = models.BooleanField(default=False)  # what became of it for this one's customers
    is_unusable = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["send", "userid"], name="mass_sender_once")]


class MassTarget(models.Model):
    """A customer, or a group, it goes to."""

    class State(models.TextChoices):
        WAITING = "waiting", _("等导购发")
        SENT = "sent", _("已送达")
        NOT_FRIEND = "not_friend", _("已不是好友")
        OVER_QUOTA = "over_quota", _("本月已收满")
        UNUSABLE = "unusable", _("平台不让发")
        CAPPED = "capped", _("收得够多了，没放进去")

    send = models.ForeignKey(MassSend, on_delete=models.CASCADE, related_name="targets", db_index=False)
    target = models.CharField(max_length=64)  # external user id or chat id
    userid = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    at = models.DateTimeField(null=True)
    counts_on = models.DateField(null=True)  # the day it counts for, by our own cap; null: it does not

    class Meta:
        constraints = [models.UniqueConstraint(fields=["send", "target"], name="mass_target_once")]
        indexes = [
            # services.plan(): what a customer got this month
            models.Index(fields=["target", "counts_on"], name="mass_target_days", condition=Q(counts_on__isnull=False)),
        ]
