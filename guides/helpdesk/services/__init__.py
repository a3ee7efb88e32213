"""All writes of questions to HQ."""

from .answering import answer, ask_back, keep_answer, mark_helped, pass_on, refuse_draft, release, take
from .asking import ask, close, follow_up, rate
from .ringing import close_forgotten, ring_due

__all__ = [
    "answer",
    "ask",
    "ask_back",
    "close",
    "close_forgotten",
    "follow_up",
    "keep_answer",
    "mark_helped",
    "pass_on",
    "rate",
    "refuse_draft",
    "release",
    "ring_due",
    "take",
]
