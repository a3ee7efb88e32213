"""What a message says of a task, in the words of staff."""

from datetime import date, datetime
from typing import NamedTuple, Protocol

from yejibao.core import clock

from .models import TaskQuerySet

NODE_NAMES = {"m30": "30 分钟回访", "d3": "3 天回访", "d30": "30 天回访", "d60": "60 天回访", "d90": "90 天回访"}
TYPE_NAMES = {
    "aftersale_care": "售后关怀", "handover_intro": "交接问候", "welcome_new_friend": "新好友破冰",
    "aftersale_first_response": "售后首次响应", "pickup_reminder": "取衣提醒", "fitting_progress": "定制进度", "survey_low_score": "低分评价回访",
    "visit_confirm": "到店确认",
}  # fmt: skip


class Step(Protocol):
    """A task, or what of it names its step."""

    @property
    def node(self) -> str: ...

    @property
    def task_type(self) -> str: ...


class Named(NamedTuple):
    """What a message says of a task. Not the row itself: reading that, its member with it, took half of the sender's time."""

    pk: int
    assignee_id: int
    node: str
    task_type: str
    channel: str
    due_at: datetime
    name: str
    why: str
    recipient: str


NAMED = (
    "pk", "assignee_id", "node", "task_type", "channel", "due_at", "member__name", "why", "assignee__wecom_user_id",
)  # fmt: skip


def named(tasks: TaskQuerySet) -> list[Named]:
    """Read what messages say of tasks, in the order of the query."""
    return [Named._make(row) for row in tasks.values_list(*NAMED)]


def node_name(task: Step) -> str:
    """Return what staff call the step."""
    return NODE_NAMES.get(task.node) or TYPE_NAMES.get(task.task_type, "跟进")


def due_words(task: Named, today: date) -> str:
    """Return the due time in few words; fixed once rendered, so never "in 18 minutes"."""
    local = task.due_at.astimezone(clock.SHANGHAI)
    at = f"{local.hour:02}:{local.minute:02} 前"
    return at if local.date() == today else f"{local.month}-{local.day} {at}"
