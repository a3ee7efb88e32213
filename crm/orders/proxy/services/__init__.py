"""All writes of the room."""

from .addresses import reveal_address
from .asking import ask_for_rest
from .baskets import NoStore, open_basket, propose_best
from .ending import (
    OwnTransfer,
    confirm_transfer,
    dispute_transfer,
    follow_orders,
    note_opened,
    note_paid,
    refuse_order,
    withdraw_order,
)
from .sending import (
    LINK_HOURS,
    TRANSFER_A_DAY,
    TRANSFER_HOURS,
    CardTooLow,
    NeedsVoucher,
    OverTheDay,
    mark_told,
    send_order,
    transferred_today,
)

__all__ = [
    "LINK_HOURS",
    "TRANSFER_A_DAY",
    "TRANSFER_HOURS",
    "CardTooLow",
    "NeedsVoucher",
    "NoStore",
    "OverTheDay",
    "OwnTransfer",
    "ask_for_rest",
    "confirm_transfer",
    "dispute_transfer",
    "follow_orders",
    "mark_told",
    "note_opened",
    "note_paid",
    "open_basket",
    "propose_best",
    "refuse_order",
    "reveal_address",
    "send_order",
    "transferred_today",
    "withdraw_order",
]
