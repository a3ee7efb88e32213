"""What the room hangs on a fitting: 去聊天发送, where there is a word to say to him now."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest

from crm.tailoring.models import Fitting
from yejibao.core import access
from yejibao.core.panels import Answer, panel

from .models import Task


@panel("fitting", order=10, name="say-in-chat")
def say_in_chat_panel(request: HttpRequest, *, fitting: Fitting, now: datetime, **_: Any) -> Answer:
    """The reminder, the progress or 可以来取 that is hers to say, with the words of the task."""
    actor = access.actor_of(request)
    mine = Task.objects.visible_to(actor).filter(
        member=fitting.member_id, assignee_id=actor.staff_id, state=Task.State.OPEN
    )
    due = mine.filter(context__fitting=fitting.pk).order_by("due_at", "pk")[:4]
    task = next((one for one in due if not one.hidden_until or one.hidden_until <= now), None)
    return ("tasks/say_in_chat.html", {"task": task}) if task else None
