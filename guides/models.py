"""Tables of the department, for Django to find."""

from .approvals.models import Approval, ApprovalStep
from .attendance.models import Shift
from .exports.models import Export, ExportFile
from .notices.models import Notification
from .org.models import Dealer, OrgUnit, OrgUnitMove, RoleAssignment, Staff, Store, StoreChange

__all__ = [
    "Approval",
    "ApprovalStep",
    "Dealer",
    "Export",
    "ExportFile",
    "Notification",
    "OrgUnit",
    "OrgUnitMove",
    "RoleAssignment",
    "Shift",
    "Staff",
    "Store",
    "StoreChange",
]
