"""All writes of the boards: the daily figures, the lists of what escalated."""

from .acts import undo_reassign
from .lists import record_talk, send_daily_lists, send_weekly_lists
from .rollups import rebuild_days, refresh_days

__all__ = [
    "rebuild_days", "record_talk", "refresh_days", "send_daily_lists", "send_weekly_lists", "undo_reassign",
]  # fmt: skip
