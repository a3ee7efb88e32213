"""Whose reports an actor may open (access_matrix.yaml, patrol.read): asked anew each time, whatever was once shared."""

from django.db.models import Q

from guides.org import matrix
from guides.org.scoped import NOBODY, under_grants
from yejibao.core.scope import Actor

from ..scoped import FRANCHISE, READ, own_departments


def report_filter(actor: Actor) -> Q:
    """Every report of the visits within reach; of all others those of one's own department, 特许经销部 the dealers' whole."""
    if actor.is_system:
        return Q()
    reach = under_grants(actor.reach(*matrix.leaders(READ)), path="store__unit__path", store="store_id")
    condition = (Q(visit__patroller_id=actor.staff_id) if actor.staff_id else NOBODY) | reach
    for department in own_departments(actor):
        condition |= Q(store__kind="dealer", department="") if department == FRANCHISE else Q(department=department)
    return condition
