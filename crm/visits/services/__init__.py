"""Members are asked to come, answer, come and buy; each step is written down and told."""

from .answering import accept, cancel, decline, move_visit, note_opened, note_told
from .arriving import arrive, follow_orders, follow_returns, see_scan, take_back_arrival
from .asking import ask_to_come, raise_unconfirmed
from .ending import end_of_members, end_past, follow_handovers, follow_owners
from .groups import GroupPlan, go_on_with_groups, meant, plan_group, reach_of, stop_group
from .inviting import InvitedAlready, invite
from .pieces import keep_due, set_aside

__all__ = [
    "GroupPlan",
    "InvitedAlready",
    "accept",
    "arrive",
    "ask_to_come",
    "cancel",
    "decline",
    "end_of_members",
    "end_past",
    "follow_handovers",
    "follow_orders",
    "follow_owners",
    "follow_returns",
    "go_on_with_groups",
    "invite",
    "keep_due",
    "meant",
    "move_visit",
    "note_opened",
    "note_told",
    "plan_group",
    "raise_unconfirmed",
    "reach_of",
    "see_scan",
    "set_aside",
    "stop_group",
    "take_back_arrival",
]
