"""Acts of the boards beyond those of the follow-ups: taking a hand-over back."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from guides.org.models import Staff
from tasks.followups.models import Task, TaskMove
from tasks.followups.services import reassign
from yejibao.core.errors import Conflict
from yejibao.core.scope import Actor

TAKE_BACK_WITHIN = timedelta(seconds=60)  # the toast stands for five, ten in care mode


@transaction.atomic
def undo_reassign(*, actor: Actor, moved_at: datetime, now: datetime) -> int:
    """Give tasks back to those who had them before this actor's hand-over of that instant. Each a recorded act."""
    if now - moved_at > TAKE_BACK_WITHIN:
        raise Conflict(_("过了撤销的时间"))
    moves = list(
        TaskMove.objects.filter(by_id=actor.staff_id, at=moved_at, reason="reassign", task__state=Task.State.OPEN)
        .select_related("task", "old_assignee")
        .order_by("pk")
    )
    by_person: dict[int, tuple[Staff, list[Task]]] = {}
    for move in moves:
        if move.old_assignee and move.task.assignee_id == move.new_assignee_id:
            by_person.setdefault(move.old_assignee.pk, (move.old_assignee, []))[1].append(move.task)
    return sum(
        reassign(tasks, actor=actor, to=person, reason="撤销转交", now=now) for person, tasks in by_person.values()
    )
