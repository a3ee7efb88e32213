"""Tickets are opened, answered, moved on, passed up and closed; each step follows aftersale.yaml and tells the others."""

from .answering import (
    MemberFirst,
    answered_in_chat,
    cancel_by_member,
    hand_up,
    member_says,
    note,
    open_low_score,
    propose,
    rate,
    reply,
    step_on,
    take,
)
from .caring import FeeOpen, NotConfirmed, NotToReceive, confirm_slip, receive, tell_of_unclaimed
from .escalating import close_silent, pass_up_late
from .fees import NoFee, begin_fee, end_fee_back, settle_fee, settle_fee_back, take_fee
from .liable import MadeGood, NotWithUs, close_compensated, compensate, repair_own_damage
from .moving import NoSuchStep, ReopenedAlready, close_ticket, move_ticket, set_pickup
from .opening import ask, open_ticket
from .pieces import PieceHasTicket
from .refusing import go_on_refused
from .serving import assign
from .settling import NothingToRefund, close_refunded, take_back
from .swapping import ExchangedTwice, NotToExchange, OtherSize, call_goods, close_exchanged, swap, swap_size
from .tagging import age_tags, follow_tickets, write_tags_of

__all__ = [
    "ExchangedTwice",
    "FeeOpen",
    "MadeGood",
    "MemberFirst",
    "NoFee",
    "NoSuchStep",
    "PieceHasTicket",
    "NotConfirmed",
    "NotToExchange",
    "NotToReceive",
    "NotWithUs",
    "NothingToRefund",
    "OtherSize",
    "ReopenedAlready",
    "age_tags",
    "answered_in_chat",
    "ask",
    "assign",
    "begin_fee",
    "call_goods",
    "cancel_by_member",
    "close_compensated",
    "close_exchanged",
    "close_refunded",
    "close_silent",
    "close_ticket",
    "compensate",
    "confirm_slip",
    "end_fee_back",
    "follow_tickets",
    "go_on_refused",
    "hand_up",
    "member_says",
    "move_ticket",
    "note",
    "open_low_score",
    "open_ticket",
    "pass_up_late",
    "propose",
    "rate",
    "receive",
    "repair_own_damage",
    "reply",
    "set_pickup",
    "settle_fee",
    "settle_fee_back",
    "step_on",
    "swap",
    "swap_size",
    "take",
    "take_back",
    "take_fee",
    "tell_of_unclaimed",
    "write_tags_of",
]
