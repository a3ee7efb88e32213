"""等你点头 on the board of a store: the first of what waits for its manager's yes or no."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest

from yejibao.core import access
from yejibao.core.panels import Answer, panel

from .models import Approval
from .rules import kinds

SHOWN = 3


@panel("manager.board", order=20, name="approvals")
def waiting_panel(request: HttpRequest, *, now: datetime, **_: Any) -> Answer:
    """Nothing waits: nothing is shown."""
    waiting = Approval.objects.waiting_for(access.actor_of(request), now=now)
    rows = list(waiting.select_related("asked_by").order_by("ends_at", "pk")[: SHOWN + 1])
    if not rows:
        return None
    labels = kinds()
    shown = [{"row": one, "label": labels[one.kind].label if one.kind in labels else ""} for one in rows[:SHOWN]]
    return "storeboard/approvals.html", {"rows": shown, "has_more": len(rows) > SHOWN}
