"""Who goes where, and was there."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from uuid import uuid4

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from yejibao.core.errors import Conflict

from ..scoring import words_of
from .checklists import Checklist

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class PlannedVisitQuerySet(models.QuerySet["PlannedVisit"]):
    def visible_to(self, actor: Actor) -> PlannedVisitQuerySet:
        """One's own, and those to the stores within reach; HQ's departments see who goes where everywhere."""
        from ..scoped import plan_filter

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
        from ..scoped import visit_filter

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
