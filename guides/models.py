"""Tables of the department, for Django to find."""

from .attendance.models import Shift
from .notices.models import Notification
from .org.models import Dealer, OrgUnit, OrgUnitMove, RoleAssignment, Staff, Store, StoreChange

__all__ = [
    "Dealer",
    "Notification",
    "OrgUnit",
    "OrgUnitMove",
    "RoleAssignment",
    "Shift",
    "Staff",
    "Store",
    "StoreChange",
]
