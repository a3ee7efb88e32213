"""Figures of patrols by store and month: boards read these rows, never the scores of 10,000 visits."""

from django.db import models


class PatrolMonth(models.Model):
    """One store's month (its first day). Self patrols are counted apart and are in no other column."""

    month = models.DateField()
    store = models.ForeignKey("guides.Store", on_delete=models.CASCADE, related_name="+", db_index=False)
    visit_count = models.PositiveSmallIntegerField(default=0)
    self_count = models.PositiveSmallIntegerField(default=0)
    last_tenths = models.PositiveSmallIntegerField(null=True)  # of the last patrol of the month
    finding_count = models.PositiveSmallIntegerField(default=0)  # opened in the month
    solved_count = models.PositiveSmallIntegerField(default=0)  # of these, on the spot
    accepted_count = models.PositiveSmallIntegerField(default=0)  # of these, mended and accepted since
    due_count = models.PositiveSmallIntegerField(default=0)  # deadline in the month
    on_time_count = models.PositiveSmallIntegerField(default=0)  # of these, accepted by the deadline
    coached_count = models.PositiveSmallIntegerField(default=0)  # people taught, a person and topic once a visit

    class Meta:
        constraints = [models.UniqueConstraint(fields=["month", "store"], name="patrol_month_row")]


class PatrolItemMonth(models.Model):
    """One item of the checklist in one store's month: what the scores sum up to."""

    month = models.DateField()
    store = models.ForeignKey("guides.Store", on_delete=models.CASCADE, related_name="+", db_index=False)
    item_key = models.CharField(max_length=48)
    category = models.CharField(max_length=32)
    department = models.CharField(max_length=32)
    weight_sum = models.PositiveIntegerField(default=0)
    score_sum = models.PositiveIntegerField(default=0)  # weight x score
    scored_count = models.PositiveSmallIntegerField(default=0)
    problem_count = models.PositiveSmallIntegerField(default=0)
    open_count = models.PositiveSmallIntegerField(default=0)  # of these, neither accepted nor waived yet
    due_count = models.PositiveSmallIntegerField(default=0)  # to be mended, deadline in the month
    on_time_count = models.PositiveSmallIntegerField(default=0)  # of these, accepted by the deadline

    class Meta:
        constraints = [models.UniqueConstraint(fields=["month", "store", "item_key"], name="patrol_item_month_row")]


class FiguresDue(models.Model):
    """A store's month something happened to since it was counted: appended by whoever changes it, deleted by the job."""

    month = models.DateField()
    store = models.ForeignKey("guides.Store", on_delete=models.CASCADE, related_name="+", db_index=False)
