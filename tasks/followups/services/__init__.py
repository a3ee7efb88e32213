"""All writes on tasks, by subject. One function = one business act = one transaction."""

from .card_clicks import answer_clicks, forget_clicks
from .creating import open_care_tasks, open_handover_intros
from .finishing import add_evidence, finish
from .guards import NotYourDecision, NotYourTask, QuietHours
from .managing import (
    UrgeResult,
    ask_skip,
    decide_skip,
    judge_spot_check,
    move_due,
    put_off,
    reassign,
    sample_spot_checks,
    urge,
)
from .sending import (
    NotSendable,
    log_call,
    prepare_send,
    record_claimed,
    record_sent,
    set_outcome,
    undo,
)

__all__ = [
    "NotSendable",
    "NotYourDecision",
    "NotYourTask",
    "QuietHours",
    "UrgeResult",
    "add_evidence",
    "answer_clicks",
    "ask_skip",
    "decide_skip",
    "finish",
    "forget_clicks",
    "judge_spot_check",
    "log_call",
    "move_due",
    "open_care_tasks",
    "open_handover_intros",
    "prepare_send",
    "put_off",
    "reassign",
    "record_claimed",
    "record_sent",
    "sample_spot_checks",
    "set_outcome",
    "undo",
    "urge",
]
