"""One ready sentence."""

from django.db import models


class ReplyTemplate(models.Model):
    """常用答复. `kinds` narrows it to kinds of tickets, empty: all of them. 〔称呼〕 and the like are filled in (filling.py)."""

    key = models.SlugField(max_length=32, unique=True)
    name = models.CharField(max_length=24)
    text = models.CharField(max_length=500)
    kinds = models.JSONField(default=list)
    place = models.PositiveSmallIntegerField(default=50)
    is_open = models.BooleanField(default=True)
    changed_by = models.ForeignKey(
        "guides.Staff", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    changed_at = models.DateTimeField()
