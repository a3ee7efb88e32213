"""量身定制: who is measured when and where, his measures with their history, and the garment on its way to him."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from typing import TYPE_CHECKING, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from yejibao.core.clock import local_day
from yejibao.core.errors import Conflict

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class NoSuchStep(Conflict):
    code, title = "fitting.no_such_step", _("这张定制单现在不能这样走")


class FittingQuerySet(models.QuerySet["Fitting"]):
    def visible_to(self, actor: Actor) -> FittingQuerySet:
        """A guide: those she serves, of her own members, and those of her store that are nobody's yet; others: by store."""
        from .scoped import fitting_filter

        return self.filter(fitting_filter(actor))

    def served_by(self, actor: Actor) -> FittingQuerySet:
        """Those this person may act on."""
        from .scoped import serve_filter

        return self.filter(serve_filter(actor))

    def standing(self) -> FittingQuerySet:
        """Those that take a place of their slot."""
        return self.exclude(state__in=Fitting.FREED)

    def under_way(self) -> FittingQuerySet:
        return self.exclude(state__in=Fitting.OVER)

    def with_people(self) -> FittingQuerySet:
        return self.select_related("member", "store", "guide", "measure", "order_line")


class Fitting(models.Model):
    """One appointment to be measured, and what is made from it. It goes on until he has the garment, or it is called off."""

    class State(models.TextChoices):
        BOOKED = "booked", _("已预约")
        MEASURED = "measured", _("待确认")
        CONFIRMED = "confirmed", _("已确认")
        MAKING = "making", _("制作中")
        READY = "ready", _("可以取衣")
        COLLECTED = "collected", _("已试穿取走")
        CANCELLED = "cancelled", _("已取消")
        NO_SHOW = "no_show", _("没有到店")

    class Channel(models.TextChoices):
        MEMBER = "member", _("会员自己约")
        GUIDE = "guide", _("导购帮约")

    NEXT: ClassVar[dict[str, set[str]]] = {
        State.BOOKED: {State.MEASURED, State.CANCELLED, State.NO_SHOW},
        State.NO_SHOW: {State.MEASURED},  # he came after all
        State.MEASURED: {State.MEASURED, State.CONFIRMED, State.CANCELLED},
        State.CONFIRMED: {State.MEASURED, State.MAKING, State.CANCELLED},  # measured anew: he confirms anew
        State.MAKING: {State.READY, State.CANCELLED},
        State.READY: {State.MAKING, State.COLLECTED},  # tried on, to be altered
    }
    OVER: ClassVar[tuple[str, ...]] = (State.COLLECTED, State.CANCELLED, State.NO_SHOW)
    FREED: ClassVar[tuple[str, ...]] = (State.CANCELLED, State.NO_SHOW)

    public_id = models.UUIDField(default=uuid.uuid4, db_default=RandomUUID(), unique=True, editable=False)
    member = models.ForeignKey("crm.Member", on_delete=models.PROTECT, related_name="fittings")
    store = models.ForeignKey("guides.Store", on_delete=models.PROTECT, related_name="+", db_index=False)
    # Who measures; null: whoever is there, the first who takes it.
    guide = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.BOOKED)
    channel = models.CharField(max_length=8, choices=Channel.choices)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    wish = models.CharField(max_length=255, blank=True)  # what he would like, in his words
    booked_at = models.DateTimeField()
    booked_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    moved_count = models.PositiveSmallIntegerField(default=0)
    measure = models.ForeignKey("crm.MemberMeasure", null=True, on_delete=models.SET_NULL, related_name="fittings")
    # What is made.
    garment = models.CharField(max_length=16, blank=True)  # of tailoring.yaml
    quantity = models.PositiveSmallIntegerField(default=1)
    fabric = models.CharField(max_length=64, blank=True)
    styles = ArrayField(models.CharField(max_length=16), default=list, blank=True)
    works = ArrayField(models.CharField(max_length=16), default=list, blank=True)
    note = models.CharField(max_length=255, blank=True)
    price_fen = models.BigIntegerField(default=0)
    deposit_fen = models.BigIntegerField(default=0)
    deposit_slip = models.CharField(max_length=64, blank=True)  # number of the till's receipt
    promised_on = models.DateField(null=True)
    first_promised_on = models.DateField(null=True)
    terms_version = models.PositiveSmallIntegerField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    making_at = models.DateTimeField(null=True)
    ready_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    # The till's line it was paid with: what was made for him does not come back (aftersale.yaml, not_returnable).
    order_line = models.OneToOneField("crm.OrderLine", null=True, on_delete=models.SET_NULL, related_name="fitting")

    objects = FittingQuerySet.as_manager()

    class Meta:
        constraints = [
            # He comes once: who has an appointment moves it.
            models.UniqueConstraint(fields=["member"], condition=Q(state="booked"), name="fitting_one_booked"),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="fitting_ends_later"),
            models.CheckConstraint(
                condition=Q(price_fen__gte=0, deposit_fen__gte=0, deposit_fen__lte=F("price_fen"), quantity__gte=1),
                name="fitting_amounts",
            ),
            models.CheckConstraint(
                condition=Q(state__in=("booked", "cancelled", "no_show")) | Q(measure__isnull=False) | Q(closed_at__isnull=False),
                name="fitting_measured_has_measures",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=("making", "ready")) | Q(confirmed_at__isnull=False, promised_on__isnull=False),
                name="fitting_made_after_his_word",
            ),
        ]  # fmt: skip
        indexes = [
            models.Index(fields=["store", "starts_at"], name="fitting_store_day"),  # free slots, the day list
            models.Index(  # of a guide: what is to be done
                fields=["guide", "starts_at"],
                name="fitting_guide_open",
                condition=~Q(state__in=("collected", "cancelled", "no_show")),
            ),
            models.Index(fields=["starts_at"], name="fitting_booked", condition=Q(state="booked")),  # the nightly jobs
            models.Index(fields=["closed_at", "id"], name="fitting_collected", condition=Q(state="collected")),  # how was it
        ]  # fmt: skip

    @property
    def number(self) -> str:
        """Return what people call it: DZ251121-37."""
        return f"DZ{local_day(self.booked_at):%y%m%d}-{self.pk}"

    @property
    def day(self) -> date:
        return local_day(self.starts_at)

    @property
    def is_over(self) -> bool:
        return self.state in self.OVER

    @property
    def is_late(self) -> bool:
        """Tell whether the garment is promised for a later day than at first."""
        return bool(self.promised_on and self.first_promised_on and self.promised_on > self.first_promised_on)

    def move_to(self, new: str, *, now: datetime, **stamps: object) -> None:
        """Move on, or raise NoSuchStep where the step is not allowed, Conflict where somebody took it first."""
        before = self.state
        if new not in self.NEXT.get(before, ()):
            raise NoSuchStep(f"{self.get_state_display()} → {self.State(new).label}")
        stamps |= {"closed_at": now if new in self.OVER else None}
        if not type(self).objects.filter(pk=self.pk, state=before).update(state=new, **stamps):
            raise Conflict(_("这张定制单刚被处理过"))
        for name, value in {"state": new, **stamps}.items():
            setattr(self, name, value)


class FittingStep(models.Model):
    """One thing that happened, in words; what the member reads of it is marked."""

    class Kind(models.TextChoices):
        BOOKED = "booked", _("预约")
        MOVED = "moved", _("改约")
        STEP = "step", _("进度")
        DELAYED = "delayed", _("延期")
        NOTE = "note", _("内部备注")

    fitting = models.ForeignKey(Fitting, on_delete=models.CASCADE, related_name="steps", db_index=False)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    at = models.DateTimeField()
    by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    is_member = models.BooleanField(default=False)
    is_shown = models.BooleanField(default=True)  # to the member
    text = models.CharField(max_length=255, blank=True)
    state = models.CharField(max_length=10, blank=True)  # the one it came to

    class Meta:
        indexes = [models.Index(fields=["fitting", "id"], name="fitting_step_fitting")]


class MeasureQuerySet(models.QuerySet["MemberMeasure"]):
    def visible_to(self, actor: Actor) -> MeasureQuerySet:
        """A member his own; staff those of members whose card they may open, and of fittings they see."""
        from .scoped import measure_filter

        return self.filter(measure_filter(actor))


class MemberMeasure(models.Model):
    """尺码档案: one measuring of a member, in millimetres by the keys of tailoring.yaml. Append only; the newest counts."""

    member = models.ForeignKey("crm.Member", on_delete=models.CASCADE, related_name="measures", db_index=False)
    store = models.ForeignKey("guides.Store", on_delete=models.PROTECT, related_name="+", db_index=False)
    by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    taken_at = models.DateTimeField()
    values = models.JSONField(default=dict)
    note = models.CharField(max_length=255, blank=True)  # 左肩低、站姿后仰
    confirmed_at = models.DateTimeField(null=True)  # on his own phone

    objects = MeasureQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["member", "-taken_at", "-id"], name="measure_of_member")]


class FittingPlan(models.Model):
    """When a store measures, and how many at once. A store without a row: `hours.DEFAULT`."""

    store = models.OneToOneField("guides.Store", on_delete=models.CASCADE, related_name="fitting_plan")
    is_offered = models.BooleanField(default=True)
    slot_minutes = models.PositiveSmallIntegerField(default=60)
    capacity = models.PositiveSmallIntegerField(default=1)
    first_at = models.TimeField()
    last_at = models.TimeField()  # by when the last one is through
    changed_at = models.DateTimeField()
    changed_by = models.ForeignKey(
        "guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(slot_minutes__range=(20, 180), capacity__range=(1, 9), last_at__gt=F("first_at")),
                name="fitting_plan_makes_sense",
            )
        ]


class FittingDay(models.Model):
    """A day that is not like the others: another number at once, or none (closed, or the tailor is away)."""

    store = models.ForeignKey("guides.Store", on_delete=models.CASCADE, related_name="+", db_index=False)
    day = models.DateField()
    capacity = models.PositiveSmallIntegerField()
    why = models.CharField(max_length=64, blank=True)
    changed_at = models.DateTimeField()
    changed_by = models.ForeignKey(
        "guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["store", "day"], name="fitting_day_of_store")]
