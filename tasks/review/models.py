"""Daily figures for the boards, and the weeks a store fell behind.

Kept by a job from the tasks themselves (`services.rollups`); boards read these rows, never the history.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class DayFigures(models.Model):
    """Counts of the tasks due on a local date, as they stood at `computed_at` (models.yaml task_completion_rate).

    What is done counts at once (early: before it was due); open and not due yet it is upcoming and in no rate. Sums of these
    columns over days, guides or units are the numerators and denominators; a rate is divided last and never averaged.
    """

    day = models.DateField()  # local date of due_at; for sales the local date they were credited on
    task_type = models.CharField(max_length=32)
    done_count = models.IntegerField(default=0)  # done, late ones too
    on_time_count = models.IntegerField(default=0)  # done by due_at
    overdue_count = models.IntegerField(default=0)  # open, not held, past due_at
    expired_count = models.IntegerField(default=0)
    early_count = models.IntegerField(default=0)  # of the done: due_at still ahead
    upcoming_count = models.IntegerField(default=0)  # open, not held, due_at still ahead
    held_count = models.IntegerField(default=0)
    skipped_count = models.IntegerField(default=0)
    superseded_count = models.IntegerField(default=0)
    cancelled_count = models.IntegerField(default=0)
    reached_count = models.IntegerField(default=0)  # done with evidence level 2 and up
    replied_count = models.IntegerField(default=0)  # of these, answered within 48 h
    booked_count = models.IntegerField(default=0)  # 约到店
    sales_count = models.IntegerField(default=0)  # orders credited to the touch (attribution)
    sales_fen = models.BigIntegerField(default=0)
    computed_at = models.DateTimeField()

    class Meta:
        abstract = True


class TaskDay(DayFigures):
    """One guide's day and kind of task, under the store the task belonged to."""

    guide = models.ForeignKey("guides.Staff", on_delete=models.CASCADE, related_name="+")
    store = models.ForeignKey("guides.Store", on_delete=models.CASCADE, related_name="+", db_index=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["day", "guide", "store", "task_type"], name="task_day_row")]
        indexes = [models.Index(fields=["store", "day"], name="task_day_store")]  # the board of a store


class UnitDay(DayFigures):
    """The same, summed for a store and every unit above it: a region's page reads a few rows, not its guides'."""

    unit = models.ForeignKey("guides.OrgUnit", on_delete=models.CASCADE, related_name="+", db_index=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["unit", "day", "task_type"], name="unit_day_row")]
        indexes = [models.Index(fields=["day"], name="unit_day_day")]  # refresh_days(): the rows of a day


class DayMark(models.Model):
    """A store's day whose tasks changed since the figures were computed.

    Appended by a trigger on the task table (migration `task_day_marks`), because the engine writes tasks with SQL in many
    places; deleted by the job that recomputes the day. A board counts marked days from the tasks themselves.
    """

    day = models.DateField()
    store = models.ForeignKey("guides.Store", on_delete=models.CASCADE, related_name="+", db_index=False)

    class Meta:
        indexes = [models.Index(fields=["store", "day"], name="day_mark_store")]


class FiguresRun(models.Model):
    """When the figures were last brought up to date: one row, pk 1."""

    ran_at = models.DateTimeField()


class StoreWeekQuerySet(models.QuerySet["StoreWeek"]):
    def visible_to(self, actor: Actor) -> StoreWeekQuerySet:
        """Weeks of stores whose figures the actor may see."""
        from .scoped import figure_filter

        return self.filter(figure_filter(actor, path="store__unit__path", store="store_id"))


class StoreWeek(models.Model):
    """A week in which a store did less than 80 % of its 3369 (sla_rules.store_week), as it stood on Monday at 10:00."""

    store = models.ForeignKey("guides.Store", on_delete=models.CASCADE, related_name="+")
    week = models.DateField()  # the Monday of the week judged
    done_count = models.IntegerField()
    due_count = models.IntegerField()
    is_repeated = models.BooleanField(default=False)  # below 60 % two weeks running
    supervisor = models.ForeignKey("guides.Staff", null=True, on_delete=models.SET_NULL, related_name="+")
    branch_manager = models.ForeignKey("guides.Staff", null=True, on_delete=models.SET_NULL, related_name="+")
    talked_at = models.DateTimeField(null=True)  # 整改谈话
    talked_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.SET_NULL, related_name="+")
    talk_note = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField()

    objects = StoreWeekQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["store", "week"], name="store_week_row"),
            models.CheckConstraint(condition=Q(due_count__gt=0), name="store_week_has_tasks"),
        ]
        indexes = [models.Index(fields=["week"], name="store_week_week")]
