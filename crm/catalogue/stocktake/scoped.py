"""Whose stocktakes an actor may see, count and decide (access_matrix.yaml, stocktake.*)."""

from django.db.models import Q

from guides.org import matrix
from guides.org.scoped import NOBODY, under_grants
from yejibao.core.scope import Actor

READ, CREATE, APPROVE = "stocktake.read", "stocktake.create", "stocktake.approve"


def stocktake_filter(actor: Actor) -> Q:
    """A guide: those he is asked to count in; others: those of the stores in their reach."""
    if actor.is_system:
        return Q()
    condition = _reached(actor, "")
    if actor.staff_id and actor.has_role(*matrix.owners(READ)):
        from .models import StocktakeCounter

        asked = StocktakeCounter.objects.filter(staff_id=actor.staff_id)
        condition |= Q(pk__in=asked.values("stocktake_id"))
    return condition


def part_filter(actor: Actor) -> Q:
    """Lines and scans: whoever looks after the stocktake. What a guide counts he sees on his scan page, without the book."""
    return Q() if actor.is_system else _reached(actor, "stocktake__")


def stores_of(actor: Actor, action: str) -> Q:
    """Return the condition for stores in which an actor may do an action."""
    return under_grants(actor.reach(*matrix.leaders(action)), path="unit__path", store="pk")


def approvable(actor: Actor) -> Q:
    """Return the condition for stocktakes an actor may approve, were it not for who counted."""
    if not actor.may(APPROVE):
        return NOBODY
    return under_grants(actor.reach(*matrix.leaders(APPROVE)), path="store__unit__path", store="store_id")


def _reached(actor: Actor, prefix: str) -> Q:
    grants = actor.reach(*matrix.leaders(READ))
    return under_grants(grants, path=f"{prefix}store__unit__path", store=f"{prefix}store_id")
