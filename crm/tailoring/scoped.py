"""Whose fittings an actor may read (access_matrix.yaml, fitting.read), and on whose he may act (fitting.serve)."""

from django.db.models import Q

from crm.members.scoped import own_filter
from guides.org import matrix
from guides.org.scoped import NOBODY, under_grants
from yejibao.core.scope import Actor

READ, SERVE, PLAN = "fitting.read", "fitting.serve", "fitting.plan"


def fitting_filter(actor: Actor) -> Q:
    """A member his own; a guide hers and those nobody of her store has taken; others those of the stores in their scope."""
    if actor.is_system:
        return Q()
    if actor.kind == "member":
        return own_filter(actor)
    return _reach(actor, READ)


def serve_filter(actor: Actor) -> Q:
    """As reading, for those who measure: the people of the store."""
    return Q() if actor.is_system else _reach(actor, SERVE)


def _reach(actor: Actor, action: str) -> Q:
    condition = NOBODY
    if actor.has_role(*matrix.owners(action)) and actor.staff_id:
        condition |= Q(guide_id=actor.staff_id) | Q(member__owner_guide_id=actor.staff_id)
        if actor.store_id:
            condition |= Q(guide=None, store_id=actor.store_id)
    if grants := actor.reach(*matrix.leaders(action)):
        condition |= under_grants(grants, path="store__unit__path", store="store_id")
    return condition


def measure_filter(actor: Actor) -> Q:
    """The size file goes with the member's card; who measures him has it for that."""
    if actor.is_system:
        return Q()
    if actor.kind == "member":
        return own_filter(actor)
    from crm.members.models import Member

    from .models import Fitting

    served = Fitting.objects.filter(fitting_filter(actor)).values("member_id")
    return Q(member__in=Member.objects.visible_to(actor).values("pk")) | Q(member__in=served)


def stores_of(actor: Actor, action: str) -> Q:
    """Return the condition for stores in which an actor may do an action."""
    return under_grants(actor.reach(*matrix.leaders(action)), path="unit__path", store="pk")
