"""The tag tree with its definitions, and what is known of each member (tags.yaml)."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class TagGroup(models.Model):
    """标签组: two levels. On the platform each tag with values is a group of its own: crm.corptags."""

    key = models.CharField(max_length=32, unique=True)
    name = models.CharField(max_length=30)
    parent = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="children")
    source_class = models.CharField(max_length=16, blank=True)  # 采集类 …
    note = models.CharField(max_length=255, blank=True)
    position = models.PositiveSmallIntegerField(default=0)


class Tag(models.Model):
    """标签: what is asked or computed about a member, from where, how often, and by which rule."""

    class Type(models.TextChoices):
        FACT = "fact", _("事实标签")
        STATISTICAL = "statistical", _("统计标签")
        CONFIG = "config", _("配置标签")  # filled by people; only these are edited in chat
        RULE = "rule", _("规则标签")
        MODEL = "model", _("算法标签")

    CHOICES: ClassVar[tuple[str, ...]] = ("enum", "multi_enum")

    key = models.CharField(max_length=48, unique=True)
    name = models.CharField(max_length=30)
    group = models.ForeignKey(TagGroup, on_delete=models.PROTECT, related_name="tags")  # the subgroup
    type = models.CharField(max_length=12, choices=Type.choices)
    value_type = models.CharField(
        max_length=12
    )  # enum | multi_enum | string | int | bool | date | money_fen | decimal | list
    sources = ArrayField(models.CharField(max_length=16), default=list)
    refresh = models.CharField(max_length=12)
    rule = models.CharField(max_length=255, blank=True)
    is_required = models.BooleanField(default=False)  # counts for tag_completeness_rate
    is_enabled = models.BooleanField(default=True)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["type"], name="tag_type")]


class TagValue(models.Model):
    """末级标签: one of the values of an enum. A value that is gone from the domain file is switched off, never dropped."""

    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, related_name="values")
    value = models.CharField(max_length=30)
    position = models.PositiveSmallIntegerField(default=0)
    is_enabled = models.BooleanField(default=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tag", "value"], name="tag_value_once")]


class MemberTag(models.Model):
    """What one source says of a member. Of several sources one counts (`is_effective`), by their rank and age."""

    member = models.ForeignKey("crm.Member", on_delete=models.CASCADE, related_name="tags")
    tag = models.ForeignKey(Tag, on_delete=models.PROTECT, related_name="+")
    source = models.CharField(max_length=16)
    values = ArrayField(models.CharField(max_length=120))  # one, or several of a multi_enum; never empty
    is_effective = models.BooleanField(default=True)
    at = models.DateTimeField()
    by = models.ForeignKey("guides.Staff", null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["member", "tag", "source"], name="member_tag_source"),
            models.UniqueConstraint(
                fields=["member", "tag"], condition=Q(is_effective=True), name="member_tag_one_counts"
            ),
            models.CheckConstraint(condition=~Q(values=[]), name="member_tag_says_something"),
        ]
        indexes = [models.Index(fields=["tag", "at"], name="member_tag_age", condition=Q(is_effective=True))]


class TagChange(models.Model):
    """tag_change_log: what counted before and after a write, who wrote it and from where. Append only."""

    member = models.ForeignKey("crm.Member", on_delete=models.CASCADE, related_name="+")
    tag = models.ForeignKey(Tag, on_delete=models.PROTECT, related_name="+")
    old = ArrayField(models.CharField(max_length=120), default=list)
    new = ArrayField(models.CharField(max_length=120), default=list)
    source = models.CharField(max_length=16)
    by = models.ForeignKey("guides.Staff", null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["member", "-at"], name="tag_change_member")]
