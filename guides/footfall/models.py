"""How many people came in: what a door counter reports, per store and hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class FootfallQuerySet(models.QuerySet["Footfall"]):
    def visible_to(self, actor: Actor) -> FootfallQuerySet:
        """Counts of stores within the actor's grants."""
        from guides.org.scoped import store_filter

        return self if actor.is_system else self.filter(store_filter(actor, prefix="store"))


class Footfall(models.Model):
    """People who came into a store in one hour of a day; what comes later for the same hour replaces it."""

    store = models.ForeignKey("guides.Store", on_delete=models.PROTECT, related_name="footfall", db_index=False)
    day = models.DateField()
    hour = models.PositiveSmallIntegerField()  # 0-23, of the local clock
    entered = models.PositiveIntegerField()
    source = models.CharField(max_length=32)

    objects = FootfallQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["store", "day", "hour"], name="footfall_store_hour"),
            models.CheckConstraint(condition=Q(hour__lte=23), name="footfall_hour_of_day"),
        ]
