"""What the page and the API do alike around a service call."""

from datetime import datetime
from typing import Any

from crm.members.models import FriendLink
from guides.org.models import Staff
from tasks.scripts.ranking import offer
from yejibao.core.scope import Actor

from . import services
from .models import Task


def prepare(task: Task, *, actor: Actor, script_key: str, text: str, now: datetime) -> dict[str, Any]:
    """Prepare a send for the page and the API; without a text it is the script's, or the first on offer."""
    if not text.strip():
        guide = Staff.objects.select_related("store").get(pk=actor.staff_id)
        offers = offer(task, guide=guide, now=now)
        chosen = next((one for one in offers if one.key == script_key), offers[0] if offers else None)
        script_key, text = (chosen.key, chosen.text) if chosen else (script_key, "")
    pending = services.prepare_send(task, actor=actor, script_key=script_key, text=text, now=now)
    friend = FriendLink.objects.filter(member_id=task.member_id, guide_id=actor.staff_id, state=FriendLink.State.FRIEND)
    return {
        "pending_id": pending.pk, "text": pending.text, "script_key": script_key,
        "external_user_id": friend.values_list("external_user_id", flat=True).order_by("-pk").first(),
    }  # fmt: skip


def state_of(task: Task) -> dict[str, Any]:
    """Return what an act answers: how the task stands now."""
    return {
        "id": task.pk, "state": task.state, "due_at": task.due_at, "done_at": task.done_at, "undo_until": task.undo_until,
        "hidden_until": task.hidden_until, "outcome": task.outcome, "evidence_kind": task.evidence_kind,
        "evidence_level": task.evidence_level,
    }  # fmt: skip
