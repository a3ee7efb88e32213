"""Goods: style-colours with their sizes, what they cost on a day, and the tags they carry."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, DateTimeRangeField, RangeOperators
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Case, Q, Value, When
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

# product_tags.yaml, price_band: "from tag price". In fen, each band ends where the next begins.
PRICE_BANDS = (
    (20_000, "200以下"),
    (40_000, "200-399"),
    (70_000, "400-699"),
    (100_000, "700-999"),
    (200_000, "1000-1999"),
)
DEAREST = "2000以上"


class StyleColor(models.Model):
    """款色 (SKC) of the catalogue. Columns have the keys of product_tags.yaml, and are tags of the style by that."""

    sku_code = models.CharField(max_length=32, unique=True)
    style_no = models.CharField(max_length=32)
    name = models.CharField(max_length=64)
    category_l1 = models.CharField(max_length=16)
    category_l2 = models.CharField(max_length=16)
    color_code = models.CharField(max_length=8, blank=True, default="", db_default="")
    color = models.CharField(max_length=16)
    color_family = models.CharField(max_length=16)
    size_range = models.CharField(max_length=32)
    year = models.PositiveSmallIntegerField(null=True)
    season = models.CharField(max_length=4)
    wave = models.CharField(max_length=8)
    launch_on = models.DateField(null=True)
    series = models.CharField(max_length=16, blank=True, default="", db_default="")
    price_fen = models.BigIntegerField()  # the tag price as the feed has it; `StylePrice` may say another
    price_since = models.DateTimeField(null=True)  # when the feed changed it; null: as it was first told
    price_band = models.GeneratedField(
        expression=Case(
            *(When(price_fen__lt=most, then=Value(name)) for most, name in PRICE_BANDS), default=Value(DEAREST)
        ),
        output_field=models.CharField(max_length=10),
        db_persist=True,
    )
    fabric_main = models.CharField(max_length=16, blank=True, default="", db_default="")
    fabric_detail = models.CharField(max_length=64, blank=True, default="", db_default="")
    fit = models.CharField(max_length=8, blank=True, default="", db_default="")
    style_tag = models.CharField(max_length=16, blank=True, default="", db_default="")
    pattern = models.CharField(max_length=16, blank=True, default="", db_default="")
    collar = models.CharField(max_length=16, blank=True, default="", db_default="")
    care_key = models.CharField(max_length=16)
    occasions = ArrayField(models.CharField(max_length=16), default=list)
    outfit_role = models.CharField(max_length=16, blank=True)
    sale_position = models.CharField(max_length=8, blank=True, default="", db_default="")
    # What the brand tells of it, under its item code and to guides; HQ writes it, no feed does.
    story = models.TextField(blank=True, default="", db_default="")
    selling_points = models.CharField(max_length=255, blank=True, default="", db_default="")
    # Under what it is found (core/finding): pairs of characters, and the first letters of their readings.
    words = ArrayField(models.CharField(max_length=8), default=list, db_default=Value("{}"))
    letters = models.CharField(max_length=64, blank=True, default="", db_default="", db_collation="C")

    class Meta:
        indexes = [
            GinIndex(fields=["words"], name="style_words"),
            models.Index(fields=["letters"], name="style_letters"),
            models.Index(fields=["style_no"], name="style_number"),
            models.Index(fields=["category_l2", "-id"], name="style_category"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.color}"


class Sku(models.Model):
    """One size of a style-colour, as the till scans it."""

    code = models.CharField(max_length=40, unique=True)
    style = models.ForeignKey(StyleColor, on_delete=models.CASCADE, related_name="skus", db_index=False)
    size = models.CharField(max_length=16)
    barcode = models.CharField(max_length=32, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["style", "size"], name="sku_style_size")]
        indexes = [models.Index(fields=["barcode"], name="sku_barcode", condition=~models.Q(barcode=""))]

    def __str__(self) -> str:
        return self.code


# ---------------------------------------------------------------- what it costs


class StylePrice(models.Model):
    """What a style-colour costs for a time: a new tag price, or less than it; everywhere, in a kind of stores, or in one.

    Of several that hold, the one for the narrowest place counts. Two of the same kind and place never hold at once. The feed's
    tag price is one for everywhere, from when the feed brought it: of it and a dated one for everywhere the later start wins.
    """

    class Kind(models.TextChoices):
        TAG = "tag", _("吊牌价")
        PROMOTION = "promotion", _("促销价")

    style = models.ForeignKey(StyleColor, on_delete=models.CASCADE, related_name="prices", db_index=False)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    price_fen = models.BigIntegerField()
    store_kind = models.CharField(
        max_length=16, blank=True, default=""
    )  # guides.Store.kind; "" with no store: everywhere
    store = models.ForeignKey("guides.Store", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    during = DateTimeRangeField()  # half-open; its end may be open
    name = models.CharField(max_length=32, blank=True, default="")  # what the till prints beside it: 双11 一口价
    set_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.SET_NULL, related_name="+", db_index=False)
    set_at = models.DateTimeField()

    class Meta:
        constraints = [
            ExclusionConstraint(  # its index is the one `price_of` reads
                name="style_price_one_at_a_time",
                expressions=[
                    ("style", RangeOperators.EQUAL),
                    ("during", RangeOperators.OVERLAPS),
                    ("kind", RangeOperators.EQUAL),
                    ("store_kind", RangeOperators.EQUAL),
                    (Coalesce("store", Value(0)), RangeOperators.EQUAL),
                ],
            ),
            models.CheckConstraint(condition=Q(price_fen__gt=0), name="style_price_positive"),
            models.CheckConstraint(condition=Q(store=None) | Q(store_kind=""), name="style_price_one_place"),
            models.CheckConstraint(
                condition=Q(during__isempty=False, during__startswith__isnull=False), name="style_price_has_time"
            ),
        ]

    def is_over(self, now: datetime) -> bool:
        return self.during.upper is not None and self.during.upper <= now


# ---------------------------------------------------------------- tags


class ProductTag(models.Model):
    """A tag of product_tags.yaml. Its values are columns of the style-colour where they have its key, else `StyleTag` rows."""

    class Kind(models.TextChoices):
        FACT = "fact", _("事实")
        RULE = "rule", _("规则")

    GROUPS: ClassVar[dict[str, str]] = {"product": "商品属性", "sale": "销售属性", "production": "运营属性"}

    key = models.CharField(max_length=32, unique=True)
    name = models.CharField(max_length=32)
    group = models.CharField(max_length=16)
    subgroup = models.CharField(max_length=16)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    value_type = models.CharField(max_length=12)  # enum multi_enum string bool int decimal date list
    source = models.CharField(max_length=16)
    rule = models.CharField(max_length=160, blank=True, default="")
    values = ArrayField(models.CharField(max_length=32), default=list)
    place = models.PositiveSmallIntegerField()  # in the file

    def __str__(self) -> str:
        return self.name


class StyleTag(models.Model):
    """One value of one tag of a style-colour."""

    class Source(models.TextChoices):
        FEED = "feed", _("商品系统")
        HQ = "hq", _("商品部")
        JOB = "job", _("每晚算出")

    style = models.ForeignKey(StyleColor, on_delete=models.CASCADE, related_name="tags", db_index=False)
    tag = models.ForeignKey(ProductTag, on_delete=models.CASCADE, related_name="+", db_index=False)
    value = models.CharField(max_length=64)
    source = models.CharField(max_length=8, choices=Source.choices)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["style", "tag", "value"], name="style_tag_value")]
        indexes = [models.Index(fields=["tag", "value", "style"], name="style_tag_search")]
