"""All writes of goods and stock. Each runs in the caller's transaction, or opens one."""

from .filling import fill_styles
from .holding import OutOfStock, expire_reservations, release, reserve
from .items import AlreadyRegistered, NotYours, item_of, make_codes, register_piece, sku_of_scan
from .moving import move, returned, sell_pieces, sold, take_pieces_back
from .pricing import PriceOverlap, end_price, set_price
from .tagging import edit_style, picture_style, set_tag
from .transfers import answer_transfer, ask_transfer, cancel_transfer, expire_transfers, receive_transfer, send_transfer
from .wishing import NobodyToAsk, ask_for

__all__ = [
    "AlreadyRegistered",
    "NobodyToAsk",
    "NotYours",
    "OutOfStock",
    "PriceOverlap",
    "answer_transfer",
    "ask_for",
    "ask_transfer",
    "cancel_transfer",
    "edit_style",
    "end_price",
    "expire_reservations",
    "expire_transfers",
    "fill_styles",
    "item_of",
    "make_codes",
    "move",
    "picture_style",
    "receive_transfer",
    "register_piece",
    "release",
    "reserve",
    "returned",
    "sell_pieces",
    "send_transfer",
    "set_price",
    "set_tag",
    "sku_of_scan",
    "sold",
    "take_pieces_back",
]
