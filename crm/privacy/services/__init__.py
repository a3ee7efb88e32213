"""Writes on consent, particulars, requests and reveals."""

from .consents import CHANNELS, IsNeeded, NoText, current_text, set_channels, set_consent, set_phone_consent
from .forgetting import forget_approved, forget_members
from .particulars import members_with_id_number, set_particulars
from .requests import (
    AlreadyAsked,
    NeedsAnother,
    NotChecked,
    PhoneTaken,
    approve_deletion,
    confirm_identity,
    correct_member,
    find_member,
    found_member,
    hand_over_copy,
    read_request,
    record_request,
    refuse_request,
    withdraw_request,
)
from .revealing import NoPhone, NoTicket, RevealsUsedUp, reveal, reveal_phone

__all__ = [
    "CHANNELS",
    "AlreadyAsked",
    "IsNeeded",
    "NeedsAnother",
    "NoPhone",
    "NoText",
    "NoTicket",
    "NotChecked",
    "PhoneTaken",
    "RevealsUsedUp",
    "approve_deletion",
    "confirm_identity",
    "correct_member",
    "current_text",
    "find_member",
    "forget_approved",
    "forget_members",
    "found_member",
    "hand_over_copy",
    "members_with_id_number",
    "read_request",
    "record_request",
    "refuse_request",
    "reveal",
    "reveal_phone",
    "set_channels",
    "set_consent",
    "set_particulars",
    "set_phone_consent",
    "withdraw_request",
]
