"""Tables of the department, for Django to find."""

from .aftersale.models import Ticket
from .catalogue.models import StyleColor
from .members.models import FriendLink, GuideHandover, Member, OwnershipTransfer
from .orders.models import FeedSource, Order, OrderChange, OrderLine
from .scoring.models import ScoringRun, TierRank

__all__ = [
    "FeedSource",
    "FriendLink",
    "GuideHandover",
    "Member",
    "Order",
    "OrderChange",
    "OrderLine",
    "OwnershipTransfer",
    "ScoringRun",
    "StyleColor",
    "Ticket",
    "TierRank",
]
