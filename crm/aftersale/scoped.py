"""Whose tickets an actor may read (reliability-security §3, row "after-sale ticket")."""

from django.db.models import Q

from guides.org.scoped import NOBODY, under_grants
from yejibao.core.scope import Actor

TICKET_ROLES = (
    "store_manager",
    "branch_member_manager",
    "hq_operator",
    "hq_crm",
    "customer_service",
    "dealer",
    "finance",
)


def ticket_filter(actor: Actor) -> Q:
    """A guide: his own tickets and those of his members; others: tickets of the stores in their scope."""
    if actor.is_system:
        return Q()
    condition = NOBODY
    if actor.has_role("guide", "store_manager") and actor.staff_id:
        condition |= Q(guide_id=actor.staff_id) | Q(member__owner_guide_id=actor.staff_id)
    grants = actor.reach(*TICKET_ROLES)
    if grants:
        condition |= under_grants(grants, path="store__unit__path", store="store_id")
    return condition
