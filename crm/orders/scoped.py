"""Whose orders an actor may read (access_matrix.yaml, order.read)."""

from django.db.models import Q

from crm.members.scoped import own_filter
from guides.org import matrix
from guides.org.scoped import NOBODY, under_grants
from yejibao.core.scope import Actor

READ = "order.read"


def order_filter(actor: Actor) -> Q:
    """A guide: orders of his members and those he served; others: orders of the stores in their scope."""
    if actor.is_system:
        return Q()
    if actor.kind == "member":
        return own_filter(actor)
    condition = NOBODY
    if actor.has_role(*matrix.owners(READ)) and actor.staff_id:
        condition |= Q(member__owner_guide_id=actor.staff_id) | Q(guide_id=actor.staff_id)
    if grants := actor.reach(*matrix.leaders(READ)):
        condition |= under_grants(grants, path="store__unit__path", store="store_id")
    if actor.has_role(*matrix.leaders(READ, "ticket")):
        from .models import Order

        with_ticket = Order.objects.filter(member__tickets__isnull=False)
        condition |= Q(pk__in=with_ticket.values("pk"))
    return condition
