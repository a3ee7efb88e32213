"""Notices: verified over their raw bytes, stored once, answered at once, worked off by a job (reliability-security §7)."""

from .services import work_off

__all__ = ["work_off"]
