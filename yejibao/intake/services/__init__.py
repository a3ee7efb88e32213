"""Writes of the intake."""

from .batches import MAX_ROWS, TooManyRows, cancel, close_batch, confirm, go_on, new_batch, open_batch, take, upload
from .counting import count_days, tell_count
from .refusals import claim_refused, close_refused, retry_refused
from .sources import SEEN, change_token, file_source, issue_token, revoke_token, save_source, source_of, token_hash

__all__ = [
    "MAX_ROWS",
    "TooManyRows",
    "cancel",
    "claim_refused",
    "close_batch",
    "close_refused",
    "confirm",
    "count_days",
    "file_source",
    "go_on",
    "issue_token",
    "new_batch",
    "open_batch",
    "retry_refused",
    "revoke_token",
    "change_token",
    "save_source",
    "SEEN",
    "source_of",
    "take",
    "tell_count",
    "token_hash",
    "upload",
]
