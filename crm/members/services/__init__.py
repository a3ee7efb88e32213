"""Writes on members."""

from .consent import close_member, opt_in, opt_out, set_do_not_contact
from .friends import end_friend, record_friend
from .locking import lock_members
from .ownership import (
    AlreadyHandedOver,
    NotHisToGive,
    NotWorking,
    apply_due_handovers,
    change_owner,
    choose_heir,
    default_heir,
    pass_on_friends,
    propose_heir,
    refuse_transfer,
)
from .phones import NoPhone, reveal_phone

__all__ = [
    "AlreadyHandedOver",
    "NoPhone",
    "NotHisToGive",
    "NotWorking",
    "apply_due_handovers",
    "change_owner",
    "choose_heir",
    "close_member",
    "default_heir",
    "end_friend",
    "lock_members",
    "opt_in",
    "opt_out",
    "pass_on_friends",
    "propose_heir",
    "record_friend",
    "refuse_transfer",
    "reveal_phone",
    "set_do_not_contact",
]
