"""All writes of announcements, by what is done: drafting, publishing, reading, urging, and what the beat sees to."""

from .drafting import Draft, add_files, begin, drop_draft, drop_file, own_unit, reach_units, save_draft, show_to_self
from .publishing import pin, publish, publish_due, spread, spread_to_newcomers, unschedule, withdraw
from .reading import confirm, mark_read
from .upkeep import mark_overdue, recall_withdrawn, remind_due, tell_managers_due
from .urging import UrgeResult, urge

__all__ = [
    "Draft", "UrgeResult", "add_files", "begin", "confirm", "drop_draft", "drop_file", "mark_overdue", "mark_read", "own_unit",
    "pin", "publish", "publish_due", "reach_units", "recall_withdrawn", "remind_due", "save_draft", "show_to_self", "spread",
    "spread_to_newcomers", "tell_managers_due", "unschedule", "urge", "withdraw",
]  # fmt: skip
