"""What the five smart reminders said about a store, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class PatrolReminderQuerySet(models.QuerySet["PatrolReminder"]):
    def visible_to(self, actor: Actor) -> PatrolReminderQuerySet:
        """Those of the stores whose patrols one reads."""
        from ..scoped import stores_to_read

        return self if actor.is_system else self.filter(stores_to_read(actor, prefix="store"))


class PatrolReminder(models.Model):
    """One reminder about one store, with its numbers. Not said again before `repeat_days` have gone by."""

    class Key(models.TextChoices):
        LOW_FREQUENCY = "low_frequency", _("巡店频次偏低")
        PERFORMANCE_AT_RISK = "performance_at_risk", _("业绩达成有风险")
        LOW_SCORE = "low_score", _("上次巡店得分低")
        RECTIFY_OVERDUE = "rectify_overdue", _("整改逾期")
        MEMBER_WORK_WEAK = "member_work_weak", _("会员工作薄弱")

    key = models.CharField(max_length=20, choices=Key.choices)
    store = models.ForeignKey("guides.Store", on_delete=models.CASCADE, related_name="patrol_reminders")
    day = models.DateField()
    text = models.CharField(max_length=200)
    facts = models.JSONField(default=dict)  # the numbers the text is made of

    objects = PatrolReminderQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key", "store", "day"], name="patrol_reminder_once")]
        indexes = [models.Index(fields=["day"], name="patrol_reminder_day")]
