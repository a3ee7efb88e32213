"""/m/patrol/reminders/: what the five smart reminders said of the stores within reach."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from guides.org import matrix
from yejibao.core import access

from ..pages import around
from ..scoped import READ
from .models import PatrolReminder

PAGE = 60
READERS = tuple(role for role in matrix.holders(READ) if role != "guide")


@never_cache
@require_GET
@access.roles(*READERS)
def reminders(request: HttpRequest) -> HttpResponse:
    """巡店提醒, by day, the newest first; ?key= one kind."""
    actor, key = access.actor_of(request), request.GET.get("key", "")
    rows = PatrolReminder.objects.visible_to(actor).select_related("store")
    if key in PatrolReminder.Key.values:
        rows = rows.filter(key=key)
    found = list(rows.order_by("-day", "key", "store_id")[:PAGE])
    facts: dict[str, Any] = {
        "days": [(day, list(mine)) for day, mine in groupby(found, key=lambda one: one.day)],
        "kinds": PatrolReminder.Key.choices, "key": key, "is_cut": len(found) == PAGE,
    }  # fmt: skip
    return render(request, "patrol/reminders.html", facts | around(actor))
