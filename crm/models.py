"""Tables of the department, for Django to find."""

from .aftersale.models import Ticket
from .catalogue.models import Sku, StockLevel, StyleColor
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
from .orders.models import Order, OrderChange, OrderLine
from .privacy.models import ConsentRecord, ConsentText, MemberParticulars, MemberRequest, RevealDay
from .quality.models import QualityCount, QualityFinding, QualityRun
from .scoring.models import ScoringRun, TierRank
from .tags.models import MemberTag, Tag, TagChange, TagGroup, TagValue

__all__ = [
    "ConsentRecord",
    "ConsentText",
    "Contact",
    "ContactWay",
    "CorpTag",
    "CorpTagGroup",
    "FriendLink",
    "FriendTags",
    "FriendTransfer",
    "GuideHandover",
    "LinkReview",
    "Member",
    "MemberIdentity",
    "MemberMerge",
    "MemberParticulars",
    "MemberRequest",
    "MemberTag",
    "Order",
    "OrderChange",
    "OrderLine",
    "OwnershipTransfer",
    "RevealDay",
    "ScoringRun",
    "QualityCount",
    "QualityFinding",
    "QualityRun",
    "Sku",
    "StockLevel",
    "StyleColor",
    "Tag",
    "TagChange",
    "TagGroup",
    "TagValue",
    "Ticket",
    "TierRank",
]
