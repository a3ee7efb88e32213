"""All that finance does with a day: count it, answer its breaks, close it; and how a refund ends that got stuck."""

from .answering import Answered, NotBookable, answer_break, take_break
from .days import DayClosed, NoBill, NotYetOver, OutOfBalance, StillOpen, close_day, reconcile, reconcile_due
from .ending import (
    EndsAlready,
    NotApproved,
    ask_ending,
    ask_provider,
    drop_ending,
    pay_ending,
    send_again,
    settle_decision,
)
from .late import book_returned, book_unclaimed

__all__ = [
    "Answered",
    "DayClosed",
    "EndsAlready",
    "NoBill",
    "NotApproved",
    "NotBookable",
    "NotYetOver",
    "OutOfBalance",
    "StillOpen",
    "answer_break",
    "ask_ending",
    "ask_provider",
    "book_returned",
    "book_unclaimed",
    "close_day",
    "drop_ending",
    "pay_ending",
    "reconcile",
    "reconcile_due",
    "send_again",
    "settle_decision",
    "take_break",
]
