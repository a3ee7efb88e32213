"""Goods as far as follow-ups need them: style-colours with family and care key."""

from django.contrib.postgres.fields import ArrayField
from django.db import models


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
