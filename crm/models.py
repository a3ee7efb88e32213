"""Tables of the department, for Django to find."""

from .aftersale.models import Ticket
from .catalogue.models import StyleColor
from .corptags.models import CorpTag, CorpTagGroup, FriendTags
from .friends.models import Contact, ContactWay, LinkReview
from .members.models import (
    FriendLink,
    FriendTransfer,
    GuideHandover,
    Member,
    MemberIdentity,
    MemberMerge,
    OwnershipTransfer,
)
from .orders.models import FeedSource, Order, OrderChange, OrderLine
from .scoring.models import ScoringRun, TierRank
from .tags.models import MemberTag, Tag, TagChange, TagGroup, TagValue

__all__ = [
    "Contact",
    "ContactWay",
    "CorpTag",
    "CorpTagGroup",
    "FeedSource",
    "FriendLink",
    "FriendTags",
    "FriendTransfer",
    "GuideHandover",
    "LinkReview",
    "Member",
    "MemberIdentity",
    "MemberMerge",
    "MemberTag",
    "Order",
    "OrderChange",
    "OrderLine",
    "OwnershipTransfer",
    "ScoringRun",
    "StyleColor",
    "Tag",
    "TagChange",
    "TagGroup",
    "TagValue",
    "Ticket",
    "TierRank",
]
