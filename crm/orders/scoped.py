"""Whose orders an actor may read."""

from django.db.models import Q

from guides.org.scoped import NOBODY, under_grants
from yejibao.core.scope import Actor

ORDER_ROLES = (
    "store_manager",
    "area_supervisor",
    "region_manager",
    "branch_manager",
    "branch_member_manager",
    "hq_operator",
    "hq_crm",
    "hq_retail",
    "hq_merch",
    "dealer",
    "finance",
)


def order_filter(actor: Actor) -> Q:
    """A guide: orders of his members and those he served; others: orders of the stores in their scope."""
    if actor.is_system:
        return Q()
    condition = NOBODY
    if actor.has_role("guide", "store_manager") and actor.staff_id:
        condition |= Q(member__owner_guide_id=actor.staff_id) | Q(guide_id=actor.staff_id)
    grants = actor.reach(*ORDER_ROLES)
    if grants:
        condition |= under_grants(grants, path="store__unit__path", store="store_id")
    return condition
