"""店务 on 今日: what the store has to do besides its members, above the list."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest

from tasks.scripts.words import kind_names
from yejibao.core import access, reading, words
from yejibao.core.panels import Answer, panel

SHOWN, MOST = 3, 20  # the members come first: what is next is shown, the rest folded behind a tap


@panel("today", order=25, name="duties", waits="duties")
def duties_panel(request: HttpRequest, *, now: datetime, **_: Any) -> Answer:
    """One's own open duties, the nearest first. One statement."""
    with reading.cursor() as cursor:
        cursor.execute(
            """SELECT id, task_type, title, why, url, due_at, count(*) OVER () FROM tasks_duty
            WHERE assignee_id = %(me)s AND state = 'open' ORDER BY due_at, priority, id LIMIT %(most)s""",
            {"me": access.actor_of(request).staff_id or 0, "most": MOST},
        )
        rows = cursor.fetchall()
    if not rows:
        return None
    duties = [
        {"pk": pk, "kind": kind_names().get(task_type, "店务"), "title": title, "why": why, "url": url, "due_at": due_at,
         "urgency": words.urgency(due_at, now)}
        for pk, task_type, title, why, url, due_at, _count in rows
    ]  # fmt: skip
    return "duties/panel.html", {"parts": (duties[:SHOWN], duties[SHOWN:]), "total": rows[0][-1], "now": now}
