"""Writes on members."""

from .consent import close_member, opt_in, opt_out, set_do_not_contact
from .friends import end_friend, record_friend
from .identities import IdentityTaken, claim_identity, give_identities, members_by, note_identities
from .locking import lock_members
from .merging import (
    AlreadyUndone,
    MayNotMerge,
    NotMergeable,
    SamePerson,
    add_holding,
    after_merge,
    before_merge,
    merge_members,
    undo_merge,
)
from .ownership import (
    AlreadyHandedOver,
    NotHisToGive,
    NotWorking,
    apply_due_handovers,
    change_owner,
    choose_heir,
    default_heir,
    propose_heir,
)
from .phones import NoPhone, reveal_phone
from .transfers import refuse_transfer

__all__ = [
    "AlreadyHandedOver",
    "AlreadyUndone",
    "IdentityTaken",
    "MayNotMerge",
    "NoPhone",
    "NotHisToGive",
    "NotMergeable",
    "NotWorking",
    "SamePerson",
    "add_holding",
    "after_merge",
    "apply_due_handovers",
    "before_merge",
    "change_owner",
    "choose_heir",
    "claim_identity",
    "close_member",
    "default_heir",
    "end_friend",
    "give_identities",
    "lock_members",
    "members_by",
    "merge_members",
    "note_identities",
    "opt_in",
    "opt_out",
    "propose_heir",
    "record_friend",
    "refuse_transfer",
    "reveal_phone",
    "set_do_not_contact",
    "undo_merge",
]
