"""Writes on members."""

from .locking import lock_members

__all__ = ["lock_members"]
