"""Tasks to speak about, for tests of the script room."""

from datetime import timedelta
from typing import Any

from crm.members.models import Member
from guides.org.models import Staff
from tasks.followups.models import Task
from tests.factories import tasks as factory
from yejibao.core.clock import parse_iso

SUIT = {"line": 1, "name": "羊毛套西", "color": "藏青", "size": "175/92A", "care": "suit_wool", "fen": 268000}


def make_talk(
    member: Member, assignee: Staff, *, node: str = "m30", open_at: str = "2026-03-02 10:00", **facts: Any
) -> Task:
    """Return an open task of a node (or of another kind by `task_type`), about one suit unless `context` says else."""
    opened = parse_iso(open_at)
    context = {"items": [SUIT], "timing": "same_day", "buyer": "first", "days_from": opened.date().isoformat()}
    defaults = {
        "task_type": f"followup_{node}",
        "node": node,
        "due_at": opened + timedelta(minutes=30),
        "expire_at": opened + timedelta(hours=12),
    }
    return factory.make_task(
        member, assignee, now=opened, context=context | facts.pop("context", {}), **(defaults | facts)
    )
