"""一物一码: each piece has a code of its own; what happened to it, and whose it is."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from .models import Sku


class ItemBatch(models.Model):
    """Codes that were made or brought in together, for one sheet of labels."""

    key = models.CharField(max_length=64, unique=True)
    made_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    made_at = models.DateTimeField()
    count = models.PositiveIntegerField()
    note = models.CharField(max_length=60, blank=True, default="")


class ItemCode(models.Model):
    """One piece. Sold, it has the member whom the till knew, or nobody yet; the first scan makes it his, once and for good."""

    code = models.CharField(max_length=32, unique=True)
    sku = models.ForeignKey(Sku, on_delete=models.PROTECT, related_name="items")
    batch = models.ForeignKey(ItemBatch, on_delete=models.PROTECT, related_name="items")
    sold_at = models.DateTimeField(null=True)
    sold_in = models.ForeignKey("guides.Store", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    sale = models.CharField(max_length=64, blank=True, default="")  # the subject of the sale
    member = models.ForeignKey("crm.Member", null=True, on_delete=models.PROTECT, related_name="items")
    registered_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(member__isnull=True) | Q(sold_at__isnull=False), name="item_of_a_member_is_sold"
            ),
            models.CheckConstraint(
                condition=Q(registered_at__isnull=True) | Q(member__isnull=False), name="item_registered_to_somebody"
            ),
        ]
