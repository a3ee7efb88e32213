"""请假: who asked for which days, and what came of it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class LeaveQuerySet(models.QuerySet["LeaveRequest"]):
    def visible_to(self, actor: Actor) -> LeaveQuerySet:
        """One's own, those of the people one reads the attendance of, and those one is to decide on."""
        from .leave_scoped import leave_filter

        return self.filter(leave_filter(actor))

    def standing(self) -> LeaveQuerySet:
        """Those that hold days: approved, or still to be decided."""
        return self.filter(state__in=LeaveRequest.STANDING)

    def touching(self, start: date, end: date) -> LeaveQuerySet:
        """Those with a day within `[start, end)`; a leave that ended early ends there."""
        return self.filter(starts_on__lt=end, ends_on__gte=start).filter(Q(back_on=None) | Q(back_on__gt=start))

    def with_people(self) -> LeaveQuerySet:
        return self.select_related("staff__store", "backup", "decided_by")


class LeaveRequest(models.Model):
    """Some days a person asks for, both ends included; approved, they are leave in the roster (`Shift.leave`)."""

    class Kind(models.TextChoices):
        PERSONAL = "personal", _("事假")
        SICK = "sick", _("病假")
        ANNUAL = "annual", _("年假")
        SWAP = "swap", _("调休")
        MARRIAGE = "marriage", _("婚假")
        MATERNITY = "maternity", _("产假")
        PATERNITY = "paternity", _("陪产假")
        BEREAVEMENT = "bereavement", _("丧假")
        OTHER = "other", _("其他")

    class State(models.TextChoices):
        ASKED = "asked", _("待审批")
        RETURNED = "returned", _("退回补充")
        APPROVED = "approved", _("已批准")
        REFUSED = "refused", _("没同意")
        WITHDRAWN = "withdrawn", _("已撤回")
        CANCELLED = "cancelled", _("已取消")

    STANDING = (State.ASKED, State.RETURNED, State.APPROVED)
    WAITING = (State.ASKED, State.RETURNED)

    staff = models.ForeignKey("guides.Staff", on_delete=models.CASCADE, related_name="leaves")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    starts_on = models.DateField()
    ends_on = models.DateField()
    starts_at_noon = models.BooleanField(default=False)  # works the first morning
    ends_at_noon = models.BooleanField(default=False)  # works the last afternoon
    reason = models.CharField(max_length=255)
    # Who does the work meanwhile, for this leave; null: the standing backup.
    backup = models.ForeignKey("guides.Staff", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    state = models.CharField(max_length=10, choices=State.choices, default=State.ASKED)
    approver = models.ForeignKey(
        "guides.Staff", null=True, on_delete=models.SET_NULL, related_name="+"
    )  # whose turn it is
    asked_at = models.DateTimeField()
    decided_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.SET_NULL, related_name="+")
    decided_at = models.DateTimeField(null=True)
    answer = models.CharField(max_length=255, blank=True)
    back_on = models.DateField(null=True)  # came back early: works again from this day
    platform_number = models.CharField(
        max_length=32, null=True, unique=True
    )  # sp_no, where it was asked in 企业微信审批
    replaced = models.JSONField(default=dict)  # what the roster said before: {"2026-11-23": ["work", 3]}

    objects = LeaveQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(ends_on__gte=F("starts_on")), name="leave_ends_later"),
            models.CheckConstraint(
                condition=Q(ends_on__gt=F("starts_on")) | ~Q(starts_at_noon=True, ends_at_noon=True),
                name="leave_is_not_nothing",
            ),
            models.CheckConstraint(condition=Q(back_on=None) | Q(back_on__gt=F("starts_on")), name="leave_back_later"),
        ]
        indexes = [
            models.Index(fields=["staff", "-starts_on"], name="leave_of_staff"),
            models.Index(fields=["asked_at"], name="leave_waiting", condition=Q(state="asked")),  # 待审批
            models.Index(fields=["ends_on"], name="leave_by_end"),  # who is away now or soon
        ]

    @property
    def last_on(self) -> date:
        """Return the last day away, early return counted."""
        return self.back_on - timedelta(days=1) if self.back_on else self.ends_on

    def halves(self) -> dict[date, str]:
        """Return each day of the request and which half of it is leave ("" for all of it)."""
        days = [self.starts_on + timedelta(days=number) for number in range((self.last_on - self.starts_on).days + 1)]
        found = dict.fromkeys(days, "")
        if self.starts_at_noon:
            found[self.starts_on] = "pm"
        if self.ends_at_noon and self.back_on is None:
            found[self.ends_on] = "am"
        return found

    @property
    def length(self) -> float:
        """Return the number of days, halves counted as such."""
        return sum(0.5 if half else 1 for half in self.halves().values())
