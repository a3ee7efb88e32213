"""Whose checks an actor may read (access_matrix.yaml, ticket.check_read)."""

from django.db.models import Q

from guides.org import matrix
from guides.org.scoped import NOBODY, under_grants
from yejibao.core.scope import Actor

READ, CHECK = "ticket.check_read", "ticket.check"


def check_filter(actor: Actor) -> Q:
    """What waits to be checked is seen by those who check alone: whose ticket was drawn hears of it with the score."""
    if actor.is_system:
        return Q()
    if actor.kind == "member":
        return NOBODY
    condition = NOBODY
    if actor.staff_id and actor.has_role(*matrix.owners(READ)):
        condition |= Q(answered_by_id=actor.staff_id, checked_at__isnull=False)
    checkers = matrix.holders(CHECK)
    for grant in actor.reach(*matrix.leaders(READ)):
        reach = under_grants((grant,), path="store__unit__path", store="store_id")
        condition |= reach if grant.role in checkers else reach & Q(checked_at__isnull=False)
    return condition
