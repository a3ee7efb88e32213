"""What is looked at: a version of the checklist and its items."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Checklist(models.Model):
    """One version of the checklist. `facts` is the rest of its file: departments, scoring, coaching, report, reminders."""

    number = models.PositiveIntegerField(unique=True)
    source_sha = models.CharField(max_length=64, unique=True)
    facts = models.JSONField()
    is_current = models.BooleanField(default=False)
    loaded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["is_current"], condition=Q(is_current=True), name="checklist_one_current")
        ]

    def __str__(self) -> str:
        return f"v{self.number}"


class ChecklistItem(models.Model):
    """One of the 48 items. `standard` has the texts of scores 5, 3 and 1; 4 and 2 lie between."""

    class Photo(models.TextChoices):
        REQUIRED = "required", _("必须拍照")
        OPTIONAL = "optional", _("可以拍照")

    checklist = models.ForeignKey(Checklist, on_delete=models.CASCADE, related_name="items")
    seq = models.PositiveSmallIntegerField()
    key = models.CharField(max_length=48)
    name = models.CharField(max_length=64)
    category = models.CharField(max_length=32)
    department = models.CharField(max_length=32)
    weight = models.PositiveSmallIntegerField()
    photo = models.CharField(max_length=8, choices=Photo.choices)
    standard = models.JSONField()
    rectify_role = models.CharField(max_length=32)
    rectify_hours = models.PositiveSmallIntegerField()
    is_red_line = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["checklist", "key"], name="checklist_item_key"),
            models.UniqueConstraint(fields=["checklist", "seq"], name="checklist_item_seq"),
            models.CheckConstraint(condition=Q(weight__gte=1), name="checklist_item_weight"),
        ]

    def __str__(self) -> str:
        return self.name
