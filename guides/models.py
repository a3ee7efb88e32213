"""Tables of the department, for Django to find."""

from .approvals.models import Approval, ApprovalStep
from .attendance.models import Shift
from .exports.models import Export, ExportFile
from .footfall.models import Footfall
from .notices.models import Notification
from .org.models import Dealer, OrgUnit, OrgUnitMove, RoleAssignment, SecondFactor, Staff, Store, StoreChange

__all__ = [
    "Footfall",
    "Approval",
    "ApprovalStep",
    "Dealer",
    "Export",
    "ExportFile",
    "Notification",
    "OrgUnit",
    "OrgUnitMove",
    "RoleAssignment",
    "SecondFactor",
    "Shift",
    "Staff",
    "Store",
    "StoreChange",
]
