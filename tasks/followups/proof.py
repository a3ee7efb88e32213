"""What closed a task, and how its pages say so: the words follow the proof, nothing is 已发送 that was not sent."""

from collections.abc import Iterable
from dataclasses import dataclass

from .models import Task, TaskEvidence

WORDS_LEFT = ("chat_sent", "chat_claimed")
# Proof the system noticed while nothing was said: the task is done, and the words on her page may still go out.
SILENT = ("friend_tagged", "friend_added")
BY_HAND = ("chat_claimed", "call_logged")
_TAGS = {  # the green tag of a finished task
    "chat_sent": "已发送", "chat_claimed": "已发送·手动", "call_logged": "已通话", "friend_added": "已加好友",
    "friend_tagged": "记了标签，算完成", "visit_booked": "约到店，算完成", "coupon_issued": "发了券，算完成",
    "order_linked": "又来买了，算完成", "form_submitted": "填了表，算完成", "group_send_confirmed": "群发已确认",
    "group_posted": "社群已发送", "moments_posted": "朋友圈已发表", "live_reserved": "直播已预约", "ticket_replied": "已首次响应",
    "note": "写了小结，算完成", "visit_answered": "回了他，算完成",
}  # fmt: skip
CLOSING = tuple(_TAGS)


@dataclass(frozen=True, slots=True)
class Proof:
    """The kind of evidence that closed a task, or the words that left for the member afterwards; empty if none is known."""

    kind: str
    tag: str

    @property
    def is_by_hand(self) -> bool:
        return self.kind in BY_HAND


def proof_of(task: Task, evidence: Iterable[TaskEvidence]) -> Proof:
    """Return what a finished task is done by. The task's own `evidence_kind` is the highest, not always the one that closed it.

    `evidence` is the task's, oldest first.
    """
    rows = list(evidence)
    closing = next((row for row in reversed(rows) if row.at == task.done_at and row.kind in CLOSING), None)
    if closing and closing.kind in SILENT:
        said = (row for row in rows if row.kind in WORDS_LEFT and task.done_at and row.at > task.done_at)
        closing = next(said, closing)
    if closing is None:
        return Proof("", "已完成")
    if closing.kind == "call_logged" and closing.payload.get("result", "connected") != "connected":
        return Proof(closing.kind, "打过电话")
    return Proof(closing.kind, _TAGS[closing.kind])
