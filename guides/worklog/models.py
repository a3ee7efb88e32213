"""工作日志: what a day was like, in facts the house knows and a few words of one's own."""

from __future__ import annotations

from datetime import time
from typing import TYPE_CHECKING, Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class WorkLogTemplate(models.Model):
    """What a log asks, as HQ last put it; a log keeps the version it was written on. Times are of the local day."""

    number = models.PositiveIntegerField(unique=True)
    prefilled = ArrayField(models.CharField(max_length=32), default=list)  # keys of `facts.py`, in order
    questions = models.JSONField(default=list)  # [{"key": "q1", "label": "今天做得好的一件事", "is_required": true}, …]
    opens_at = models.TimeField(default=time(20, 0))
    due_at = models.TimeField(default=time(22, 0))
    closes_at = models.TimeField(default=time(12, 0))  # of the next day
    made_at = models.DateTimeField()
    made_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.SET_NULL, related_name="+")


class WorkLogDay(models.Model):
    """A day whose logs were asked for, reminded of, and reported missing: each once, whoever's beat comes first."""

    day = models.DateField(unique=True)
    asked_at = models.DateTimeField(null=True)
    reminded_at = models.DateTimeField(null=True)
    reported_at = models.DateTimeField(null=True)


class WorkLogQuerySet(models.QuerySet["WorkLog"]):
    def visible_to(self, actor: Actor) -> WorkLogQuerySet:
        """One's own, drafts too; of others what they handed in."""
        from .scoped import log_filter

        return self.filter(log_filter(actor))

    def handed_in(self) -> WorkLogQuerySet:
        return self.filter(handed_in_at__isnull=False)


class WorkLog(models.Model):
    """One person's day. A draft until it is handed in, once; the facts are kept as they were then."""

    staff = models.ForeignKey("guides.Staff", on_delete=models.CASCADE, related_name="work_logs", db_index=False)
    store = models.ForeignKey("guides.Store", on_delete=models.PROTECT, related_name="+", db_index=False)  # of that day
    day = models.DateField()
    template = models.ForeignKey(WorkLogTemplate, on_delete=models.PROTECT, related_name="+", db_index=False)
    answers = models.JSONField(default=dict)  # question key -> words
    facts = models.JSONField(default=list)  # [{"key", "label", "words", "note"}, …] at the moment of handing in
    changed_at = models.DateTimeField()
    handed_in_at = models.DateTimeField(null=True)
    is_late = models.BooleanField(default=False)
    read_at = models.DateTimeField(null=True)  # first opened by somebody above

    objects = WorkLogQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["staff", "day"], name="work_log_once_a_day"),
            models.CheckConstraint(
                condition=Q(is_late=False) | Q(handed_in_at__isnull=False), name="work_log_late_is_in"
            ),
        ]
        indexes = [models.Index(fields=["store", "day"], name="work_log_of_store")]  # the list of a day, the summary

    def answered(self) -> list[dict[str, Any]]:
        """Return the questions of its template with what was answered, unanswered ones too."""
        return [one | {"words": self.answers.get(one["key"], "")} for one in self.template.questions]


class WorkLogComment(models.Model):
    """What somebody above wrote under a log, or the writer answered."""

    log = models.ForeignKey(WorkLog, on_delete=models.CASCADE, related_name="comments")
    by = models.ForeignKey("guides.Staff", null=True, on_delete=models.SET_NULL, related_name="+")
    text = models.CharField(max_length=500)
    at = models.DateTimeField()
