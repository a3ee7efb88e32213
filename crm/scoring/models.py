"""Runs of the scoring jobs: what was computed, for which day, under which configuration."""

from django.db import models


class ScoringRun(models.Model):
    """One run of one model; `cursor` lets a stopped run go on where it was."""

    model = models.CharField(max_length=32)  # tier_631 | member_level | purchase_node
    as_of = models.DateField()
    config_version = models.PositiveIntegerField(default=1)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    cursor = models.BigIntegerField(default=0)
    counts = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "as_of"], name="scoring_run_day")]


class TierRank(models.Model):
    """The brand's ranking of the newest 631 run: made at once, then written to the members by ranges of their ids."""

    member_id = models.BigIntegerField(primary_key=True)
    rank = models.IntegerField()
    tier = models.CharField(max_length=12)
    store_tier = models.CharField(max_length=12)
