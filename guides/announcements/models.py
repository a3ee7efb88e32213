"""What the house tells its people, and who has read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from yejibao.core import waiting

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class AnnouncementQuerySet(models.QuerySet["Announcement"]):
    def visible_to(self, actor: Actor) -> AnnouncementQuerySet:
        """What one was told, what one may edit, and what one's people were told."""
        from .scoped import announcement_filter

        return self.filter(announcement_filter(actor))

    def editable_by(self, actor: Actor) -> AnnouncementQuerySet:
        """What is in one's hand as a publisher: within one's reach, whoever of the colleagues began it."""
        from .scoped import publisher_filter

        return self.filter(publisher_filter(actor))


class Announcement(models.Model):
    """公告. A draft names its audience; publishing freezes it into one receipt a person, a few thousand at a time."""

    class Level(models.TextChoices):
        URGENT = "urgent", _("紧急")
        IMPORTANT = "important", _("重要")
        NORMAL = "normal", _("普通")

    class State(models.TextChoices):
        DRAFT = "draft", _("草稿")
        ASKED = "asked", _("等审批")
        SCHEDULED = "scheduled", _("定时")
        PUBLISHED = "published", _("已发布")
        WITHDRAWN = "withdrawn", _("已撤回")

    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    level = models.CharField(max_length=10, choices=Level.choices, default=Level.NORMAL)
    title = models.CharField(max_length=60, blank=True)
    body = models.TextField(blank=True)  # wording.py says what its marks mean
    unit = models.ForeignKey(
        "guides.OrgUnit", on_delete=models.PROTECT, related_name="+"
    )  # HQ, or the branch that tells
    author = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="+")
    author_role = models.CharField(max_length=32)
    audience = models.JSONField(default=dict)  # audience.py
    needs_confirm = models.BooleanField(default=False)
    min_read_seconds = models.PositiveSmallIntegerField(default=0)  # before 我知道了 can be pressed
    deadline_hours = models.PositiveSmallIntegerField(null=True)  # from publishing; null: the evening of that day
    pinned_days = models.PositiveSmallIntegerField(default=0)
    tells_managers = models.BooleanField(default=False)  # two hours on, who has not read it in their stores
    publish_at = models.DateTimeField(null=True)  # set: not before
    published_at = models.DateTimeField(null=True)
    deadline_at = models.DateTimeField(null=True)
    pinned_until = models.DateTimeField(null=True)
    in_force_until = models.DateTimeField(null=True)  # so long it is told to whoever joins the audience
    spread_at = models.DateTimeField(null=True)  # when the last of the audience had his receipt
    audience_count = models.PositiveIntegerField(default=0)  # as it was when it was published
    remind_at = models.DateTimeField(null=True)  # of those who have not read it, by the level's rule
    reminded_count = models.PositiveSmallIntegerField(default=0)
    managers_at = models.DateTimeField(null=True)  # when managers are to be told
    overdue_at = models.DateTimeField(null=True)  # when what passed its deadline was looked at
    withdrawn_at = models.DateTimeField(null=True)
    withdrawn_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+")
    withdrawn_reason = models.CharField(max_length=255, blank=True)
    recalled_at = models.DateTimeField(null=True)  # when the last push of a withdrawn one was called back
    version = models.PositiveIntegerField(default=1)  # of the draft, for two editors
    edited_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects = AnnouncementQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(state__in=("published",)) | Q(published_at__isnull=False, in_force_until__isnull=False),
                name="announcement_published_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(state="withdrawn") | Q(withdrawn_at__isnull=False), name="announcement_withdrawn_has_time"
            ),
        ]
        indexes = [
            models.Index(fields=["-updated_at", "-id"], name="announcement_drafts", condition=~Q(state__in=("published", "withdrawn"))),
            models.Index(fields=["-published_at", "-id"], name="announcement_told", condition=Q(published_at__isnull=False)),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.title or "（没写标题）"

    @property
    def is_open(self) -> bool:
        """Whether its text and audience may still be changed."""
        return self.state == self.State.DRAFT

    @property
    def is_told(self) -> bool:
        return self.state == self.State.PUBLISHED

    @property
    def key(self) -> str:
        return f"announcement:{self.pk}"


waiting.count(
    "announcements",
    "guides_announcementreceipt one JOIN guides_announcement told ON told.id = one.announcement_id AND told.state = 'published'"
    " WHERE one.staff_id = person.id AND one.done_at IS NULL",
)


class ReceiptQuerySet(models.QuerySet["AnnouncementReceipt"]):
    def visible_to(self, actor: Actor) -> ReceiptQuerySet:
        """One's own, and those of people whose reading is one's to look after."""
        from .scoped import receipt_filter

        return self.filter(receipt_filter(actor))

    def outstanding(self) -> ReceiptQuerySet:
        """Not read, or not confirmed where that is asked for."""
        return self.filter(done_at=None)


class AnnouncementReceipt(models.Model):
    """One person of an announcement's audience: when told, when read, when confirmed."""

    announcement = models.ForeignKey(Announcement, on_delete=models.CASCADE, related_name="receipts", db_index=False)
    staff = models.ForeignKey("guides.Staff", on_delete=models.CASCADE, related_name="+", db_index=False)
    told_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)  # read, or confirmed where that is asked for: nothing is wanted any more
    urged_at = models.DateTimeField(null=True)
    urge_count = models.PositiveSmallIntegerField(default=0, db_default=0)
    # The first push, of which 送达 is told. No constraint: a push is tidied away, the receipt stays.
    message_id = models.BigIntegerField(null=True)

    objects = ReceiptQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["announcement", "staff"], name="receipt_once"),  # spreading; the board
            models.CheckConstraint(
                condition=Q(confirmed_at=None) | Q(read_at__isnull=False, done_at__isnull=False), name="receipt_confirmed_was_read"
            ),
            models.CheckConstraint(condition=Q(done_at=None) | Q(read_at__lte=F("done_at")), name="receipt_done_was_read"),
        ]  # fmt: skip
        indexes = [
            models.Index(fields=["staff", "-announcement"], name="receipt_of_reader"),  # one's own list
            models.Index(fields=["staff"], name="receipt_waiting", condition=Q(done_at=None)),  # the number beside 公告
            models.Index(fields=["announcement"], name="receipt_outstanding", condition=Q(done_at=None)),  # urging
        ]
