"""Who is there today, on the board of a store."""

from collections import Counter
from datetime import datetime
from typing import Any

from django.http import HttpRequest

from guides.org.models import Store
from yejibao.core import clock
from yejibao.core.panels import Answer, panel

from .queries import LABELS, store_day

WORD_FOR = ("missing", "absent", "late")  # whom the manager may want to ask


@panel("manager.board", order=30, name="attendance")
def attendance_panel(request: HttpRequest, *, store: Store, now: datetime, **_: Any) -> Answer:
    """今天谁在店: how many, and by name who is late or has not come."""
    lines = store_day(store, clock.local_day(now), now=now)
    if not lines:
        return None
    counts = Counter(line.state for line in lines)
    odd = [{"name": line.person.name, "label": LABELS[line.state]} for line in lines if line.state in WORD_FOR]
    away = [line.person.name for line in lines if line.state in ("leave", "rest")]
    return "storeboard/attendance.html", {
        "here": counts["here"] + counts["late"], "due": len(lines) - counts["leave"] - counts["rest"], "odd": odd, "away": away,
    }  # fmt: skip
