"""Tables of the department, for Django to find."""

from .attendance.models import Shift
from .org.models import Dealer, OrgUnit, OrgUnitMove, RoleAssignment, Staff, Store, StoreChange

__all__ = ["Dealer", "OrgUnit", "OrgUnitMove", "RoleAssignment", "Shift", "Staff", "Store", "StoreChange"]
