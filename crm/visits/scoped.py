"""Whose visits an actor may read, whom he may ask, and which count for him (access_matrix.yaml: visit.*)."""

from django.db.models import Q

from crm.members.scoped import own_filter, working_on
from guides.org import matrix
from guides.org.scoped import NOBODY, under_grants
from yejibao.core import clock
from yejibao.core.scope import Actor

READ, INVITE, GROUP, FIGURES = "visit.read", "visit.invite", "visit.invite_group", "visit.figures"


def visit_filter(actor: Actor) -> Q:
    """A guide: his own, those of his members and of whom he has open work for (he stands in for a colleague), and who comes to
    his store today, so that nobody stands there unseen."""
    if actor.is_system:
        return Q()
    if actor.kind == "member":
        return own_filter(actor) & ~Q(state="planned")
    condition = _within(actor, READ)
    if actor.has_role(*matrix.owners(READ)) and actor.staff_id:
        condition |= Q(guide_id=actor.staff_id) | Q(member__owner_guide_id=actor.staff_id)
        condition |= Q(member__in=working_on(actor.staff_id))
        if actor.store_id:
            condition |= Q(store_id=actor.store_id, day=clock.today()) & ~Q(state="planned")
    return condition


def act_filter(actor: Actor) -> Q:
    """Visits this person may change: as reading, for who may invite at all."""
    if actor.is_system:
        return Q()
    return visit_filter(actor) if actor.has_role(*matrix.holders(INVITE)) else NOBODY


def figures_filter(actor: Actor) -> Q:
    """Figures of stores within his reach; a guide's are his own."""
    if actor.is_system:
        return Q()
    condition = _within(actor, FIGURES)
    return condition | Q(guide_id=actor.staff_id) if actor.staff_id and actor.kind == "staff" else condition


def group_filter(actor: Actor) -> Q:
    """Lists made for units within his reach."""
    if actor.is_system:
        return Q()
    return under_grants(actor.reach(*matrix.leaders(GROUP)), path="unit__path", store="unit__store")


def _within(actor: Actor, action: str) -> Q:
    grants = actor.reach(*matrix.leaders(action))
    return under_grants(grants, path="store__unit__path", store="store_id") if grants else NOBODY
