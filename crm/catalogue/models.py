"""Goods as far as follow-ups need them: style-colours with family and care key, their sizes, and what a store has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.postgres.fields import ArrayField
from django.db import models

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class StyleColor(models.Model):
    """款色 (SKC) of the catalogue."""

    sku_code = models.CharField(max_length=32, unique=True)
    style_no = models.CharField(max_length=32)
    name = models.CharField(max_length=64)
    category_l1 = models.CharField(max_length=16)
    category_l2 = models.CharField(max_length=16)
    color = models.CharField(max_length=16)
    color_family = models.CharField(max_length=16)
    size_range = models.CharField(max_length=32)
    season = models.CharField(max_length=4)
    wave = models.CharField(max_length=8)
    launch_on = models.DateField(null=True)
    price_fen = models.BigIntegerField()
    care_key = models.CharField(max_length=16)
    occasions = ArrayField(models.CharField(max_length=16), default=list)
    outfit_role = models.CharField(max_length=16, blank=True)


class Sku(models.Model):
    """One size of a style-colour, as the till scans it."""

    code = models.CharField(max_length=40, unique=True)
    style = models.ForeignKey(StyleColor, on_delete=models.CASCADE, related_name="skus", db_index=False)
    size = models.CharField(max_length=16)
    barcode = models.CharField(max_length=32, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["style", "size"], name="sku_style_size")]
        indexes = [models.Index(fields=["barcode"], name="sku_barcode", condition=~models.Q(barcode=""))]


class StockLevelQuerySet(models.QuerySet["StockLevel"]):
    def visible_to(self, actor: Actor) -> StockLevelQuerySet:
        """Stock of stores within the actor's grants."""
        from guides.org.scoped import store_filter

        return self if actor.is_system else self.filter(store_filter(actor, prefix="store"))


class StockLevel(models.Model):
    """How many pieces a store has, as the stock system last said. What we sell ourselves lowers nothing here."""

    store = models.ForeignKey("guides.Store", on_delete=models.PROTECT, related_name="stock", db_index=False)
    style = models.ForeignKey(StyleColor, on_delete=models.CASCADE, related_name="stock", db_index=False)
    size = models.CharField(max_length=16)
    quantity = models.IntegerField()
    in_transit = models.IntegerField(default=0)
    as_of = models.DateTimeField()
    source = models.CharField(max_length=32)

    objects = StockLevelQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["store", "style", "size"], name="stock_store_style_size"),
            models.CheckConstraint(condition=models.Q(quantity__gte=0, in_transit__gte=0), name="stock_not_negative"),
        ]
        indexes = [models.Index(fields=["style", "size"], name="stock_style_size")]
