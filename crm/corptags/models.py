"""Corp tags of the platform beside our own definitions, and what was last agreed about each friend's tags."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class CorpTagGroup(models.Model):
    """企业标签组: a group of the platform. With `tag` it stands for one of our tags, without it is somebody else's."""

    class State(models.TextChoices):
        WANTED = "wanted", _("待同步")
        READY = "ready", _("已同步")
        FAILED = "failed", _("没同步成")
        GONE = "gone", _("平台上没有了")

    group_id = models.CharField(max_length=64, blank=True)  # "": not made yet
    name = models.CharField(max_length=64)  # as the platform has it
    order = models.BigIntegerField(default=0)  # the larger first
    tag = models.OneToOneField("crm.Tag", null=True, on_delete=models.PROTECT, related_name="corp_group")
    state = models.CharField(max_length=8, choices=State.choices, default=State.WANTED)
    errcode = models.IntegerField(null=True)
    error = models.CharField(max_length=120, blank=True)
    synced_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["group_id"], condition=~Q(group_id=""), name="corp_group_id")]


class CorpTag(models.Model):
    """企业标签: a tag of the platform. With `value` it stands for one of our values; what is gone there keeps its row."""

    tag_id = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=64)
    order = models.BigIntegerField(default=0)
    group = models.ForeignKey(CorpTagGroup, on_delete=models.CASCADE, related_name="tags")
    value = models.ForeignKey("crm.TagValue", null=True, on_delete=models.PROTECT, related_name="corp_tags")
    is_ours = models.BooleanField(default=False)  # made by this app: only such may be renamed and deleted
    gone_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["value"], condition=Q(gone_at=None), name="corp_tag_value")]


class FriendTags(models.Model):
    """What was last agreed with the platform about a friend's tags, and when to look at them again.

    It is the queue of what has to be written there, too: one row a friend, so that ten changes become one call, and what
    is written is what counts when the call leaves. Friends with no tags on either side have no row.
    """

    link = models.OneToOneField("crm.FriendLink", primary_key=True, on_delete=models.CASCADE, related_name="tags")
    agreed = ArrayField(
        models.CharField(max_length=64), default=list
    )  # ids the friend had there when both sides agreed
    edited_at = models.DateTimeField(null=True)  # when a person changed something there, by the platform's event
    turn = models.IntegerField(default=0)  # counts who asked to look: one who looks may not overlook the next
    priority = models.SmallIntegerField(default=5)
    next_at = models.DateTimeField(null=True)  # null: nothing to do
    lease_until = models.DateTimeField(null=True)  # PostgreSQL's clock
    attempts = models.PositiveSmallIntegerField(default=0)
    errcode = models.IntegerField(null=True)
    marked_at = models.DateTimeField(null=True)
    # times within an hour that the chat was put right against what somebody had set there
    put_right = models.PositiveSmallIntegerField(default=0)
    put_right_since = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            # settling.claim(): what is due, the urgent first
            models.Index(fields=["priority", "next_at"], name="friend_tags_due", condition=Q(next_at__isnull=False)),
            # the page: what could not be written
            models.Index(fields=["errcode"], name="friend_tags_trouble", condition=Q(errcode__isnull=False)),
        ]
