"""Whose leave an actor may read (access_matrix.yaml, attendance.read), and on whose he decides."""

from django.db.models import Q

from guides.org import matrix
from guides.org.scoped import NOBODY, under_grants
from yejibao.core.scope import Actor

READ = "attendance.read"


def leave_filter(actor: Actor) -> Q:
    """One's own; those of the people whose attendance one reads; those that wait for one's word or had it."""
    if actor.is_system:
        return Q()
    if not actor.staff_id:
        return NOBODY
    reach = under_grants(actor.reach(*matrix.leaders(READ)), path="staff__unit__path", store="staff__store_id")
    return Q(staff_id=actor.staff_id) | Q(approver_id=actor.staff_id) | Q(decided_by_id=actor.staff_id) | reach
