"""All writes on codes, friends and who they are, by subject."""

from .arriving import follow_added, follow_edited, follow_lost
from .linking import NotTheirs, link_contact, link_contacts
from .looking import go_on_looking, start_looking
from .reading import after_reading, apply_customers, read_customers, read_stale
from .reviewing import AlreadyDecided, decide_review, undo_review
from .syncing import NothingToStop, start_sync, stop_sync, sync_friends
from .ways import (
    NobodyBehind,
    NotYourCode,
    TooManyCodes,
    bring_ways,
    follow_people,
    retire_way,
    retry_way,
    want_everyones,
    want_way,
)

__all__ = [
    "AlreadyDecided",
    "NobodyBehind",
    "NotTheirs",
    "NotYourCode",
    "NothingToStop",
    "TooManyCodes",
    "after_reading",
    "apply_customers",
    "bring_ways",
    "decide_review",
    "follow_added",
    "follow_edited",
    "follow_lost",
    "follow_people",
    "go_on_looking",
    "link_contact",
    "link_contacts",
    "read_customers",
    "read_stale",
    "retire_way",
    "retry_way",
    "start_looking",
    "start_sync",
    "stop_sync",
    "sync_friends",
    "undo_review",
    "want_everyones",
    "want_way",
]
