"""Who works on which day. A plain table here; clock-in and leave requests come with their own issue."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Shift(models.Model):
    """One person's day: work, rest or approved leave. A day without a row is a working day."""

    class Kind(models.TextChoices):
        WORK = "work", _("上班")
        REST = "rest", _("休息")
        LEAVE = "leave", _("请假")

    staff = models.ForeignKey("guides.Staff", on_delete=models.CASCADE, related_name="shifts")
    day = models.DateField()
    kind = models.CharField(max_length=8, choices=Kind.choices)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["staff", "day"], name="shift_staff_day")]
        indexes = [models.Index(fields=["day", "kind"], name="shift_day_kind")]
