"""All writes on corp tags, by subject: the groups (mapping, listing), one
friend (settling), whom to look at (following, comparing)."""

from .comparing import compare, compare_after_making, start_comparison
from .following import follow_friends, follow_members, follow_tags, note_edits, note_read, retry_refused
from .listing import follow_list, read_list
from .mapping import (
    MayNotSync,
    NothingToStop,
    start_if_wanted,
    start_tag_sync,
    stop_tag_sync,
    sync_tags,
    want_all,
)
from .settling import settle_friends

__all__ = [
    "MayNotSync",
    "NothingToStop",
    "compare",
    "compare_after_making",
    "follow_friends",
    "follow_list",
    "follow_members",
    "follow_tags",
    "note_edits",
    "note_read",
    "read_list",
    "retry_refused",
    "settle_friends",
    "start_comparison",
    "start_if_wanted",
    "start_tag_sync",
    "stop_tag_sync",
    "sync_tags",
    "want_all",
]
