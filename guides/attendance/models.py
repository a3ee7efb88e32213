"""Who works on which day, from when to when; statutory holidays. Leave is asked for in `leave_models`."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class ShiftTime(models.Model):
    """班次: a named time of a working day, opened by HQ for all stores. One that is closed stays on the days that have it."""

    name = models.CharField(max_length=8, unique=True)
    short = models.CharField(max_length=1)  # as it stands in the week's grid
    starts_at = models.TimeField()
    ends_at = models.TimeField()
    place = models.PositiveSmallIntegerField(default=50)
    is_open = models.BooleanField(default=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="shift_time_ends_later")]

    def __str__(self) -> str:
        return self.name

    @property
    def words(self) -> str:
        return f"{self.starts_at:%H:%M}–{self.ends_at:%H:%M}"


class Shift(models.Model):
    """One person's day: work, rest or leave. A day without a row is a working day, during the store's hours."""

    class Kind(models.TextChoices):
        WORK = "work", _("上班")
        REST = "rest", _("休息")
        LEAVE = "leave", _("请假")

    class Half(models.TextChoices):
        MORNING = "am", _("上午请假")
        AFTERNOON = "pm", _("下午请假")

    staff = models.ForeignKey("guides.Staff", on_delete=models.CASCADE, related_name="shifts")
    day = models.DateField()
    kind = models.CharField(max_length=8, choices=Kind.choices)
    # From when to when she works; null: the store's hours.
    time = models.ForeignKey(ShiftTime, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    half_off = models.CharField(max_length=2, choices=Half.choices, blank=True, default="", db_default="")
    # The approved request this day comes from; null where the roster itself says so.
    leave = models.ForeignKey("guides.LeaveRequest", null=True, on_delete=models.PROTECT, related_name="days")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["staff", "day"], name="shift_staff_day")]
        indexes = [models.Index(fields=["day", "kind"], name="shift_day_kind")]


class Holiday(models.Model):
    """A day that is not what its weekday says: statutory holiday, day off moved to it, or working weekend (调休上班).

    Seeded from a library once a year's arrangement is known there; HQ's own word stands over it.
    """

    class Kind(models.TextChoices):
        STATUTORY = "statutory", _("法定节假日")
        BRIDGE = "bridge", _("调休休息")
        WORKDAY = "workday", _("调休上班")
        ORDINARY = "ordinary", _("平常日")  # HQ says the library is wrong

    day = models.DateField(unique=True)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    name = models.CharField(max_length=16)
    is_own_word = models.BooleanField(default=False)  # HQ set it; seeding leaves it as it is
