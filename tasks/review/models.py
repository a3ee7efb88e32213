"""Daily figures for the boards: one row per due date, guide and step."""

from django.db import models


class TaskDay(models.Model):
    """Counts of tasks that were due on a local date, by assignee and task type (models.yaml task_completion_rate).

    Kept by a job from the tasks themselves and rebuilt nightly; boards read these rows, never the history.
    """

    day = models.DateField()  # local date of due_at
    guide = models.ForeignKey("guides.Staff", on_delete=models.CASCADE, related_name="+")
    store = models.ForeignKey("guides.Store", on_delete=models.CASCADE, related_name="+")
    task_type = models.CharField(max_length=32)
    open_count = models.IntegerField(default=0)
    done_count = models.IntegerField(default=0)
    on_time_count = models.IntegerField(default=0)
    expired_count = models.IntegerField(default=0)
    skipped_count = models.IntegerField(default=0)
    superseded_count = models.IntegerField(default=0)
    cancelled_count = models.IntegerField(default=0)
    held_count = models.IntegerField(default=0)
    reached_count = models.IntegerField(default=0)  # evidence level 2 and up
    replied_count = models.IntegerField(default=0)
    booked_count = models.IntegerField(default=0)
    computed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["day", "guide", "store", "task_type"], name="task_day_row")]
        indexes = [models.Index(fields=["store", "day"], name="task_day_store")]
