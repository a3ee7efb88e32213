"""Whom the drawer of `/sandbox/` lets go, and where to."""

from django.db.models import QuerySet

from guides.org.models import RoleAssignment, Staff, Store
from guides.org.moving import stores_to_move_to
from yejibao.core import clock
from yejibao.core.scope import Actor

STORES_SHOWN = 100
HEAD_OFFICE = Actor.system("sandbox")


def may_go(person: Staff) -> bool:
    """Tell whether the console offers it: guides of a store have members to hand over."""
    day = clock.today()
    in_force = RoleAssignment.objects.filter(RoleAssignment.in_force(day), staff=person, role="guide")
    return person.store_id is not None and in_force.exists()


def other_stores(person: Staff) -> QuerySet[Store]:
    """Return where she could be sent."""
    return stores_to_move_to(HEAD_OFFICE, day=clock.today()).exclude(pk=person.store_id).order_by("code")[:STORES_SHOWN]
