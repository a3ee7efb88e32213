"""巡店: what is looked at, who goes where, what was found, and who was taught what."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from uuid import uuid4

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from yejibao.core.errors import Conflict

from .scoring import words_of

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class Checklist(models.Model):
    """One version of the checklist. `facts` is the rest of its file: departments, scoring, coaching, report, reminders."""

    number = models.PositiveIntegerField(unique=True)
    source_sha = models.CharField(max_length=64, unique=True)
    facts = models.JSONField()
    is_current = models.BooleanField(default=False)
    loaded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["is_current"], condition=Q(is_current=True), name="checklist_one_current")
        ]

    def __str__(self) -> str:
        return f"v{self.number}"


class ChecklistItem(models.Model):
    """One of the 48 items. `standard` has the texts of scores 5, 3 and 1; 4 and 2 lie between."""

    class Photo(models.TextChoices):
        REQUIRED = "required", _("必须拍照")
        OPTIONAL = "optional", _("可以拍照")

    checklist = models.ForeignKey(Checklist, on_delete=models.CASCADE, related_name="items")
    seq = models.PositiveSmallIntegerField()
    key = models.CharField(max_length=48)
    name = models.CharField(max_length=64)
    category = models.CharField(max_length=32)
    department = models.CharField(max_length=32)
    weight = models.PositiveSmallIntegerField()
    photo = models.CharField(max_length=8, choices=Photo.choices)
    standard = models.JSONField()
    rectify_role = models.CharField(max_length=32)
    rectify_hours = models.PositiveSmallIntegerField()
    is_red_line = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["checklist", "key"], name="checklist_item_key"),
            models.UniqueConstraint(fields=["checklist", "seq"], name="checklist_item_seq"),
            models.CheckConstraint(condition=Q(weight__gte=1), name="checklist_item_weight"),
        ]

    def __str__(self) -> str:
        return self.name


class PlannedVisitQuerySet(models.QuerySet["PlannedVisit"]):
    def visible_to(self, actor: Actor) -> PlannedVisitQuerySet:
        """One's own, and those to the stores within reach; HQ's departments see who goes where everywhere."""
        from .scoped import plan_filter

        return self.filter(plan_filter(actor))


class PlannedVisit(models.Model):
    """Somebody means to go to a store on a day. Two people on one day are two rows."""

    patroller = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="planned_visits")
    store = models.ForeignKey("guides.Store", on_delete=models.PROTECT, related_name="planned_visits")
    day = models.DateField()
    department = models.CharField(max_length=32, blank=True)  # "" = all items
    note = models.CharField(max_length=120, blank=True)
    made_by = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    dropped_at = models.DateTimeField(null=True)

    objects = PlannedVisitQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["patroller", "store", "day"], condition=Q(dropped_at=None), name="planned_visit_once"
            )
        ]
        indexes = [
            models.Index(fields=["patroller", "day"], condition=Q(dropped_at=None), name="planned_visit_of_person"),
            models.Index(fields=["store", "day"], condition=Q(dropped_at=None), name="planned_visit_of_store"),
        ]


class VisitQuerySet(models.QuerySet["Visit"]):
    def visible_to(self, actor: Actor) -> VisitQuerySet:
        """One's own, drafts included; of others what is handed in, within reach and of one's own department."""
        from .scoped import visit_filter

        return self.filter(visit_filter(actor))

    def counted(self) -> VisitQuerySet:
        """What counts for 本年度巡店次数, coverage and reminders: handed in, and no self patrol."""
        return self.filter(state=Visit.State.SUBMITTED).exclude(kind=Visit.Kind.SELF)

    def with_people(self) -> VisitQuerySet:
        return self.select_related("store__unit", "patroller", "checklist")


class Visit(models.Model):
    """One patrol of one store by one person. Scores are kept in tenths: 41 is 4.1."""

    class Kind(models.TextChoices):
        HQ = "hq", _("总部巡店")
        SUPERVISOR = "supervisor", _("督导巡店")
        SELF = "self", _("自主巡店")

    class State(models.TextChoices):
        DRAFT = "draft", _("进行中")
        SUBMITTED = "submitted", _("已提交")
        DROPPED = "dropped", _("已作废")

    NEXT: ClassVar[dict[str, set[str]]] = {State.DRAFT: {State.SUBMITTED, State.DROPPED}}

    public_id = models.UUIDField(default=uuid4, unique=True, editable=False)
    checklist = models.ForeignKey(Checklist, on_delete=models.PROTECT, related_name="+")
    store = models.ForeignKey("guides.Store", on_delete=models.PROTECT, related_name="patrol_visits")
    patroller = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="patrol_visits")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    role = models.CharField(max_length=32)  # in which he came
    department = models.CharField(max_length=32, blank=True)  # whose items alone; "" = all items
    planned = models.ForeignKey(PlannedVisit, null=True, on_delete=models.SET_NULL, related_name="visits")
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    rev = models.PositiveIntegerField(default=0)  # grows with each change: what is new since n
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    submitted_at = models.DateTimeField(null=True)
    summary = models.CharField(max_length=500, blank=True)

    # Set when it is handed in, and never moved again.
    store_grade = models.CharField(max_length=1, blank=True)
    year = models.PositiveSmallIntegerField(null=True)
    nth_this_year = models.PositiveSmallIntegerField(null=True)  # 本年度巡店次数; self patrols have none
    duration_minutes = models.PositiveIntegerField(null=True)
    is_too_short = models.BooleanField(default=False)  # 用时过短
    score_tenths = models.PositiveSmallIntegerField(null=True)
    uncapped_tenths = models.PositiveSmallIntegerField(null=True)  # before a red line
    grade = models.CharField(max_length=1, blank=True)

    objects = VisitQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["store", "year", "nth_this_year"], condition=Q(nth_this_year__isnull=False), name="visit_nth"
            ),
            models.CheckConstraint(
                condition=~Q(state="submitted")
                | Q(submitted_at__isnull=False, ended_at__isnull=False, score_tenths__isnull=False),
                name="visit_submitted_whole",
            ),
            models.CheckConstraint(
                condition=Q(score_tenths=None) | Q(score_tenths__gte=10, score_tenths__lte=50), name="visit_score"
            ),
            models.CheckConstraint(condition=Q(ended_at=None) | Q(ended_at__gte=F("started_at")), name="visit_times"),
            # Nobody is in two patrols of one store at once: a second tap on 开始巡店 finds the first.
            models.UniqueConstraint(fields=["patroller", "store"], condition=Q(state="draft"), name="visit_one_open"),
        ]
        indexes = [
            models.Index(fields=["store", "-submitted_at"], condition=Q(state="submitted"), name="visit_of_store"),
            models.Index(fields=["-submitted_at", "-id"], condition=Q(state="submitted"), name="visit_newest"),
            models.Index(fields=["patroller", "-started_at"], name="visit_of_patroller"),
        ]

    def __str__(self) -> str:
        return f"{self.public_id}"

    @property
    def is_open(self) -> bool:
        return self.state == self.State.DRAFT

    @property
    def duration_hours(self) -> str:
        """2.5, as the report says it: one decimal, half up."""
        tenths = ((self.duration_minutes or 0) * 2 + 6) // 12
        return f"{tenths // 10}.{tenths % 10}"

    @property
    def score(self) -> str:
        return words_of(self.score_tenths)

    def move_to(self, new: str, **stamps: object) -> None:
        """Move on, or raise Conflict if the step is not allowed or somebody else took it first."""
        if new not in self.NEXT.get(self.state, ()):
            raise Conflict(_("这次巡店已经结束了"))
        if not type(self).objects.filter(pk=self.pk, state=self.state).update(state=new, **stamps):
            raise Conflict(_("刚被处理过"))
        for name, value in {"state": new, **stamps}.items():
            setattr(self, name, value)


class CheckIn(models.Model):
    """How far from the store somebody was when he began or ended; where he was is not kept (PIPL: no more than needed).

    Far off or unknown is allowed, with a reason and a photo.
    """

    class Moment(models.TextChoices):
        START = "start", _("开始")
        END = "end", _("结束")

    class Result(models.TextChoices):
        NEAR = "near", _("在门店")
        FAR = "far", _("不在门店附近")
        UNCLEAR = "unclear", _("定位不准")
        NONE = "none", _("没有定位")
        UNSET = "unset", _("门店还没设位置")

    visit = models.ForeignKey(Visit, on_delete=models.CASCADE, related_name="check_ins")
    moment = models.CharField(max_length=5, choices=Moment.choices)
    result = models.CharField(max_length=8, choices=Result.choices)
    at = models.DateTimeField()
    accuracy_m = models.PositiveIntegerField(null=True)
    distance_m = models.PositiveIntegerField(null=True)
    reason = models.CharField(max_length=120, blank=True)
    flags = models.JSONField(default=list)  # shown, never punished

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["visit", "moment"], name="patrol_check_in_once"),
            models.CheckConstraint(
                condition=Q(result__in=("near", "unset")) | ~Q(reason=""), name="patrol_check_in_reason"
            ),
        ]


class ItemScoreQuerySet(models.QuerySet["ItemScore"]):
    def visible_to(self, actor: Actor) -> ItemScoreQuerySet:
        """The items of visits in sight; of a visit of others a department reads its own items."""
        from .scoped import item_filter

        return self.filter(item_filter(actor))


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
        from .scoped import photo_filter

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
        from .scoped import finding_filter

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
