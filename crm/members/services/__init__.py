"""Writes on members."""

from .asking import ASKED, ask_new_owner, asked_for, give_or_ask
from .consent import close_member, opt_in, opt_out, set_do_not_contact
from .friends import end_friend, record_friend
from .handing_over import (
    AlreadyHandedOver,
    AlreadyOpen,
    NobodyTakes,
    PlanChanged,
    apply_due_handovers,
    choose_heir,
    confirm_plan,
    default_heir,
    open_handover,
    plan_giving,
    propose_heir,
    replan,
    save_plan,
    withdraw_handover,
)
from .identities import IdentityTaken, claim_identity, give_identities, members_by, move_phones, note_identities
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
from .ownership import NotHisToGive, NotWorking, change_owner
from .registering import register_visitor
from .transfers import refuse_transfer

__all__ = [
    "ASKED",
    "AlreadyHandedOver",
    "AlreadyOpen",
    "AlreadyUndone",
    "IdentityTaken",
    "MayNotMerge",
    "NobodyTakes",
    "NotHisToGive",
    "NotMergeable",
    "NotWorking",
    "PlanChanged",
    "SamePerson",
    "add_holding",
    "after_merge",
    "apply_due_handovers",
    "ask_new_owner",
    "asked_for",
    "before_merge",
    "change_owner",
    "choose_heir",
    "claim_identity",
    "close_member",
    "confirm_plan",
    "default_heir",
    "end_friend",
    "give_identities",
    "give_or_ask",
    "lock_members",
    "members_by",
    "merge_members",
    "move_phones",
    "note_identities",
    "open_handover",
    "opt_in",
    "opt_out",
    "plan_giving",
    "propose_heir",
    "record_friend",
    "refuse_transfer",
    "register_visitor",
    "replan",
    "save_plan",
    "set_do_not_contact",
    "undo_merge",
    "withdraw_handover",
]
