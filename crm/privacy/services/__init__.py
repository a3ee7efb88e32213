"""Writes on consent, requests and reveals."""

from .revealing import NoPhone, NoTicket, RevealsUsedUp, reveal, reveal_phone

__all__ = ["NoPhone", "NoTicket", "RevealsUsedUp", "reveal", "reveal_phone"]
