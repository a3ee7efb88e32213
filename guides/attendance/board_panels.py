"""请假 on the board of a store: what waits for its manager, and who covers for whom is one tap away."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest

from yejibao.core import access
from yejibao.core.panels import Answer, panel

from .leave_models import LeaveRequest
from .leave_words import length, span

SHOWN = 3


@panel("manager.board", order=22, name="leave")
def waiting_leave_panel(request: HttpRequest, *, now: datetime, **_: Any) -> Answer:
    """Nothing waits: nothing is shown."""
    waiting = LeaveRequest.objects.filter(
        approver_id=access.actor_of(request).staff_id or 0, state=LeaveRequest.State.ASKED
    )
    rows = list(waiting.select_related("staff").order_by("asked_at", "pk")[: SHOWN + 1])
    if not rows:
        return None
    shown = [{"row": one, "span": span(one), "length": length(one)} for one in rows[:SHOWN]]
    return "leave/board.html", {"rows": shown, "has_more": len(rows) > SHOWN}
