"""Callbacks: taken in at once, worked off afterwards, told to whoever listens (reliability-security §7)."""

from .registry import subscribe

__all__ = ["subscribe"]
