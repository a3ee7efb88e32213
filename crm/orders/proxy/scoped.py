"""Whose proxy orders an actor may see (access_matrix.yaml, order.proxy and order.read)."""

from django.db.models import Q

from crm.members.scoped import own_filter
from guides.org import matrix
from guides.org.scoped import NOBODY, under_grants
from yejibao.core.scope import Actor

from ..scoped import READ

PROXY = "order.proxy"


def proxy_filter(actor: Actor) -> Q:
    """A guide: those she sent and those of her own members; the store's manager and those above: as they read orders."""
    if actor.is_system:
        return Q()
    if actor.kind == "member":
        return own_filter(actor)
    condition = NOBODY
    if actor.staff_id and actor.has_role(*matrix.holders(PROXY)):
        condition |= Q(guide_id=actor.staff_id) | Q(member__owner_guide_id=actor.staff_id)
    if grants := actor.reach(*matrix.leaders(READ)):
        condition |= under_grants(grants, path="store__unit__path", store="store_id")
    return condition
