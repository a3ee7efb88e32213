"""请假: whose a request is to decide, and who may do the work meanwhile."""

from datetime import date, timedelta

from django.utils.translation import gettext_lazy as _

from guides.org.models import RoleAssignment, Staff
from guides.org.queries import HEADS, heads_of_stores
from guides.org.scoped import under_grants
from yejibao.core import audit
from yejibao.core.errors import Forbidden
from yejibao.core.scope import Actor

from .calendar import away_days
from .leave_models import LeaveRequest
from .services import ROSTER_ROLES


class NotYoursToDecide(Forbidden):
    code, title = "perm.leave.decide", _("这张请假单要由别人来批")


def approvers_of(person: Staff, *, day: date) -> list[int]:
    """Return who decides on a person's leave: the nearest head above who is not he; where that one is away, the next too."""
    if person.store_id is None:
        return []
    found: list[int] = []
    for role in HEADS:
        head = heads_of_stores([person.store_id], role=role, day=day).get(person.store_id)
        if head is None or head == person.pk or head in found:
            continue
        found.append(head)
        if not away_days([head], day, day + timedelta(days=1)):
            break
    return found


def may_decide(request: LeaveRequest, actor: Actor, *, day: date) -> bool:
    """Tell whether a request is this actor's to decide: his people's, never his own, a manager's one level up."""
    if actor.is_system:
        return True
    if request.staff_id == actor.staff_id:
        return False
    above = ("area_supervisor",) if _manages(request.staff, day) else ROSTER_ROLES
    roles = HEADS if request.approver_id == actor.staff_id else above
    scope = under_grants(actor.reach(*roles), path="unit__path", store="store_id")
    return Staff.objects.filter(scope, pk=request.staff_id).exists()


def must_decide(request: LeaveRequest, actor: Actor, *, day: date) -> None:
    """Raise NotYoursToDecide."""
    if not may_decide(request, actor, day=day):
        own = request.staff_id == actor.staff_id
        raise NotYoursToDecide(_("自己的请假由上一级来批") if own else "")


def _manages(person: Staff, day: date) -> bool:
    held = RoleAssignment.objects.filter(RoleAssignment.in_force(day), staff=person, role="store_manager")
    return held.filter(unit__store=person.store_id).exists()


def may_cover(backup: Staff, person: Staff) -> bool:
    """Tell whether somebody can do a person's work meanwhile: a colleague of the same store, still there."""
    return backup.pk != person.pk and backup.store_id == person.store_id and backup.is_active


def name_backup(person: Staff, backup: Staff, *, actor: Actor) -> None:
    """Make somebody a person's backup, if he is not already."""
    if backup.pk == person.backup_guide_id:
        return
    before, after = {"backup": person.backup_guide_id}, {"backup": backup.pk}
    audit.record(actor, "attendance.backup_set", person, before=before, after=after)
    Staff.objects.filter(pk=person.pk).update(backup_guide=backup)
    person.backup_guide = backup
