"""What the room hangs on the page of handovers: the work that waits for an heir."""

from typing import Any

from django.db.models import Count
from django.http import HttpRequest

from yejibao.core import access
from yejibao.core.panels import Answer, panel

from .models import Task


@panel("handover", order=10, name="held_work")
def held_work_panel(request: HttpRequest, *, guides: dict[int, str], **_: Any) -> Answer:
    """How many tasks stand still until the manager has chosen. `guides` maps who left to the name."""
    actor = access.actor_of(request)
    held = Task.objects.visible_to(actor).filter(assignee_id__in=guides, state=Task.State.OPEN, held_reason="resigned")
    rows = held.values_list("assignee_id").annotate(count=Count("pk")).order_by("assignee_id")
    found = [{"name": guides[pk], "count": count} for pk, count in rows]
    return ("tasks/held_work.html", {"held": found}) if found else None
