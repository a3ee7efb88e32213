"""Writing the library, changing a member's week, putting a look into the cart."""

from .buying import Cart, Left, to_cart
from .choosing import choose_outfit, choose_piece, take_back
from .library import adopt, edit_outfit, new_version, propose, publish, refuse, start_draft, withdraw
from .sharing import note_liked, note_opened, note_sent, share_look

__all__ = [
    "Cart",
    "Left",
    "adopt",
    "choose_outfit",
    "choose_piece",
    "edit_outfit",
    "new_version",
    "note_liked",
    "note_opened",
    "note_sent",
    "propose",
    "publish",
    "refuse",
    "share_look",
    "start_draft",
    "take_back",
    "to_cart",
    "withdraw",
]
