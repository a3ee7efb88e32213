"""Promotions as dated rows: a price of one style, 满减 on an order, 满赠."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from datetime import datetime

    from yejibao.core.scope import Actor


class PromotionQuerySet(models.QuerySet["Promotion"]):
    def visible_to(self, actor: Actor) -> PromotionQuerySet:
        """What holds where one works, or in what lies below; who sets prices sees all."""
        from ..scoped import promotion_filter

        return self.filter(promotion_filter(actor))

    def in_force(self, at: datetime) -> PromotionQuerySet:
        return self.filter(Q(ends_at=None) | Q(ends_at__gt=at), starts_at__lte=at).filter(
            Q(ended_early_at=None) | Q(ended_early_at__gt=at)
        )


class Promotion(models.Model):
    """What holds from one moment to another. A change is a new row: what was sold yesterday was right by yesterday's.

    `steps` of an order: [[threshold_fen, off_fen], …], rising. Nothing named under styles and categories means all goods,
    under levels everybody who buys; `unit` none means all stores.
    """

    class Kind(models.TextChoices):
        ITEM = "item", _("单品促销")
        ORDER = "order", _("满减")
        GIFT = "gift", _("满赠")

    name = models.CharField(max_length=32)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    ended_early_at = models.DateTimeField(null=True)
    unit = models.ForeignKey("guides.OrgUnit", null=True, on_delete=models.PROTECT, related_name="+")
    members_only = models.BooleanField(default=False)
    levels = ArrayField(models.CharField(max_length=2), default=list)
    styles = ArrayField(models.CharField(max_length=32), default=list)  # style numbers
    categories = ArrayField(models.CharField(max_length=16), default=list)  # category_l1
    price_fen = models.BigIntegerField(null=True)  # an item's, of one piece
    percent = models.PositiveSmallIntegerField(default=0)  # taken off an item
    steps = models.JSONField(default=list)
    gift_sku = models.ForeignKey("crm.Sku", null=True, on_delete=models.PROTECT, related_name="+")
    threshold_fen = models.BigIntegerField(default=0)  # of a gift
    is_final = models.BooleanField(default=False, db_default=False)  # 特价注明不退, of an item
    made_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()

    objects = PromotionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gt=F("starts_at")), name="promotion_ends_after_it_begins"
            ),
            models.CheckConstraint(
                condition=Q(percent__lte=90, threshold_fen__gte=0) & (Q(price_fen=None) | Q(price_fen__gt=0)),
                name="promotion_amounts",
            ),
            models.CheckConstraint(
                condition=Q(kind="item", gift_sku=None) & (Q(price_fen__isnull=False) | Q(percent__gt=0))
                | Q(kind="order", gift_sku=None, price_fen=None, percent=0)
                | Q(kind="gift", gift_sku__isnull=False, threshold_fen__gt=0, price_fen=None, percent=0),
                name="promotion_says_one_thing",
            ),
        ]
        indexes = [models.Index(fields=["ends_at"], name="promotion_ends")]

    def __str__(self) -> str:
        return self.name
