"""Announcements the store's people still owe a look, on the board of the store."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q
from django.http import HttpRequest

from guides.org.models import Staff
from yejibao.core.panels import Answer, panel

from .models import AnnouncementReceipt

SHOWN = 3
LOOKED_BACK = timedelta(days=30)


@panel("manager.board", order=35, name="announcements")
def unread_panel(request: HttpRequest, *, store_ids: list[int], now: datetime, **_: Any) -> Answer:
    """How many of the store's people have read each of the newest ones that not all have. One statement."""
    people = Staff.objects.employed().filter(store_id__in=store_ids)
    told = AnnouncementReceipt.objects.filter(staff__in=people, told_at__gte=now - LOOKED_BACK)
    rows = (
        told.values("announcement_id", "announcement__title")
        .annotate(told=Count("pk"), done=Count("pk", filter=Q(done_at__isnull=False)))
        .filter(told__gt=0).order_by("-announcement_id")
    )  # fmt: skip
    waiting = [row for row in rows[:20] if row["done"] < row["told"]][:SHOWN]
    return ("storeboard/announcements.html", {"rows": waiting}) if waiting else None
