"""Whose codes and whose unlinked friends an actor may see."""

from django.db.models import Q

from crm.members.scoped import CARD_ROLES
from guides.org.scoped import NOBODY, under_grants
from yejibao.core.scope import Actor

WAY_ROLES = ("store_manager", "branch_member_manager", "hq_operator", "hq_crm", "live_operator")


def way_filter(actor: Actor) -> Q:
    """A guide: his own code and those of his store; managers and HQ: their scope."""
    if actor.is_system:
        return Q()
    condition = _within(actor, WAY_ROLES)
    if actor.staff_id:
        condition |= Q(guide_id=actor.staff_id)
    if actor.store_id and actor.has_role("guide", "store_manager"):
        condition |= Q(store_id=actor.store_id, guide=None)
    return condition


def review_filter(actor: Actor) -> Q:
    """Those who may open the cards of a guide's members say who his friends are; the guide himself does not."""
    return Q() if actor.is_system else _within(actor, CARD_ROLES, field="guide__store")


def _within(actor: Actor, roles: tuple[str, ...], *, field: str = "") -> Q:
    grants = actor.reach(*roles)
    if not grants:
        return NOBODY
    if field:
        return under_grants(grants, path=f"{field}__unit__path", store=field)
    return under_grants(grants, path="store__unit__path", store="store") | under_grants(
        grants, path="guide__store__unit__path", store="guide__store"
    )
