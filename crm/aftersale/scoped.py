"""Whose tickets an actor may read (access_matrix.yaml, ticket.read)."""

from django.db.models import Q

from guides.org import matrix
from guides.org.scoped import NOBODY, under_grants
from yejibao.core.scope import Actor

READ = "ticket.read"
# What `only` of the matrix means for a ticket.
NARROWED = {
    "complaints": Q(kind="complaint"),
    "refunds": Q(kind__in=("return", "stored_value")),
}


def ticket_filter(actor: Actor) -> Q:
    """A guide: his own tickets and those of his members; others: tickets of the stores in their scope."""
    if actor.is_system:
        return Q()
    condition = NOBODY
    if actor.has_role(*matrix.owners(READ)) and actor.staff_id:
        condition |= Q(guide_id=actor.staff_id) | Q(member__owner_guide_id=actor.staff_id)
    for only in ("", *NARROWED):
        if grants := actor.reach(*matrix.leaders(READ, only)):
            reach = under_grants(grants, path="store__unit__path", store="store_id")
            condition |= reach & NARROWED.get(only, Q())
    return condition
