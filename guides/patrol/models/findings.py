"""What was found, and who was taught what. Scores, photos and 带教 are filled in on phones that may be without the net."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .checklists import ChecklistItem
from .visits import Visit

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class Synced(models.Model):
    """A thing several phones may change, and how the last change came: see services/syncing.py.

    `rev` grows by one with each change. `device` made the last one, its `device_seq`th; from `device_base` on all were its.
    """

    rev = models.PositiveIntegerField(default=0)
    device = models.CharField(max_length=36, blank=True)
    device_seq = models.BigIntegerField(default=0)
    device_base = models.PositiveIntegerField(default=0)
    visit_rev = models.PositiveIntegerField(default=0)  # the visit's `rev` this came with
    changed_at = models.DateTimeField(null=True)
    changed_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        abstract = True


class ItemScoreQuerySet(models.QuerySet["ItemScore"]):
    def visible_to(self, actor: Actor) -> ItemScoreQuerySet:
        """The items of visits in sight; of a visit of others a department reads its own items."""
        from ..scoped import item_filter

        return self.filter(item_filter(actor))


class ItemScore(Synced):
    """What one visit says of one item. A row appears with the first tap."""

    visit = models.ForeignKey(Visit, on_delete=models.CASCADE, related_name="item_scores")
    item = models.ForeignKey(ChecklistItem, on_delete=models.PROTECT, related_name="+")
    score = models.PositiveSmallIntegerField(null=True)  # 1–5; none yet, or not applicable
    is_na = models.BooleanField(default=False)
    na_reason = models.CharField(max_length=120, blank=True)
    problem = models.CharField(max_length=500, blank=True)
    note = models.CharField(max_length=500, blank=True)
    is_solved = models.BooleanField(default=False)  # 现场已解决
    owner = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+")  # 交给

    objects = ItemScoreQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["visit", "item"], name="item_score_once"),
            models.CheckConstraint(
                condition=Q(score=None) | Q(score__gte=1, score__lte=5, is_na=False), name="item_score_1_to_5"
            ),
        ]
        # "What was this item's score the last times" (item history) joins visits of a store.
        indexes = [models.Index(fields=["item", "visit"], name="item_score_history")]


class PatrolPhotoQuerySet(models.QuerySet["PatrolPhoto"]):
    def visible_to(self, actor: Actor) -> PatrolPhotoQuerySet:
        """Access to a photo is access to what it shows: the item of the visit."""
        from ..scoped import photo_filter

        return self.filter(photo_filter(actor))


class PatrolPhoto(models.Model):
    """A photo of an item, or of where somebody was. The phone names it before it has the net: `client_id` is also its file's name.

    The bytes are a file of the room `patrol` (yejibao/core/files) and are seen at `/files/<client_id>/`.
    """

    class Purpose(models.TextChoices):
        ITEM = "item", _("检查项")
        START = "start", _("开始签到")
        END = "end", _("结束签到")

    client_id = models.UUIDField(unique=True)
    visit = models.ForeignKey(Visit, on_delete=models.CASCADE, related_name="photos")
    item = models.ForeignKey(ChecklistItem, null=True, on_delete=models.PROTECT, related_name="+")
    purpose = models.CharField(max_length=5, choices=Purpose.choices, default=Purpose.ITEM)
    taken_at = models.DateTimeField()  # as the phone said
    received_at = models.DateTimeField()
    flags = models.JSONField(default=list)  # old: not of this visit · seen: the same picture stood elsewhere
    by = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="+")
    visit_rev = models.PositiveIntegerField(default=0)
    removed_at = models.DateTimeField(null=True)

    objects = PatrolPhotoQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["visit", "item"], name="patrol_photo_of_item")]

    @property
    def is_old(self) -> bool:
        return "old" in self.flags

    @property
    def url(self) -> str:
        return f"/files/{self.client_id}/"

    @property
    def small_url(self) -> str:
        return f"{self.url}?small=1"


class Coaching(Synced):
    """带教: who was taught what, on the spot. The phone names it, as it does a photo."""

    client_id = models.UUIDField(unique=True)
    visit = models.ForeignKey(Visit, on_delete=models.CASCADE, related_name="coachings")
    item = models.ForeignKey(ChecklistItem, null=True, on_delete=models.PROTECT, related_name="+")
    topic = models.CharField(max_length=32)
    guide = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="coachings")
    minutes = models.PositiveSmallIntegerField(default=10)
    note = models.CharField(max_length=255, blank=True)
    needs_course = models.BooleanField(default=False)
    removed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["visit"], condition=Q(removed_at=None), name="coaching_of_visit")]


class FindingQuerySet(models.QuerySet["Finding"]):
    def visible_to(self, actor: Actor) -> FindingQuerySet:
        """Findings of the items in sight, and those one is to mend."""
        from ..scoped import finding_filter

        return self.filter(finding_filter(actor))


class Finding(models.Model):
    """A problem a visit handed in. Solved on the spot it is born accepted; else somebody mends it (rectification)."""

    class State(models.TextChoices):  # overdue is derived: pending or rejected, and deadline_at < now
        PENDING = "pending", _("待整改")
        SUBMITTED = "submitted", _("待复查")
        ACCEPTED = "accepted", _("已完成")
        REJECTED = "rejected", _("被退回")
        WAIVED = "waived", _("已豁免")

    visit = models.ForeignKey(Visit, on_delete=models.CASCADE, related_name="findings")
    item_score = models.OneToOneField(ItemScore, on_delete=models.CASCADE, related_name="finding")
    item = models.ForeignKey(ChecklistItem, on_delete=models.PROTECT, related_name="+")
    store = models.ForeignKey("guides.Store", on_delete=models.PROTECT, related_name="findings")
    score = models.PositiveSmallIntegerField()
    problem = models.CharField(max_length=500)
    is_red_line = models.BooleanField(default=False)  # a red-line item with score 1
    is_solved_on_spot = models.BooleanField(default=False)
    owner_role = models.CharField(max_length=32)
    owner = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="findings")
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    opened_at = models.DateTimeField()
    deadline_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    objects = FindingQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(state__in=("accepted", "waived")) | Q(closed_at__isnull=False), name="finding_closed"
            )
        ]
        indexes = [
            models.Index(fields=["store", "item", "-opened_at"], name="finding_of_item"),
            models.Index(fields=["deadline_at"], condition=Q(state__in=("pending", "rejected")), name="finding_due"),
            models.Index(fields=["owner", "deadline_at"], condition=Q(closed_at=None), name="finding_of_owner"),
            # 已解决: the newest first
            models.Index(
                fields=["-closed_at", "-id"], condition=Q(closed_at__isnull=False), name="finding_closed_newest"
            ),
        ]
