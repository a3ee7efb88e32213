"""Whose tickets an actor may read (access_matrix.yaml, ticket.read), and whose to answer (ticket.first_reply)."""

from django.db.models import Q

from crm.members.scoped import own_filter
from guides.org import matrix
from guides.org.scoped import NOBODY, under_grants
from yejibao.core.scope import Actor

from .rules import LOW_CHANNEL

READ, ANSWER = "ticket.read", "ticket.first_reply"
# What `only` of the matrix means for a ticket.
NARROWED = {
    "complaints": Q(kind="complaint"),
    "refunds": Q(kind__in=("return", "stored_value")),
    "late": Q(reopened_at__isnull=False) | Q(clock="closing", clock_at__isnull=True),  # the last clock ran out
}


def ticket_filter(actor: Actor) -> Q:
    """A guide: his own tickets and those of his members; others: tickets of the stores in their scope."""
    if actor.is_system:
        return Q()
    if actor.kind == "member":
        return own_filter(actor) & ~Q(channel=LOW_CHANNEL)  # what becomes of his stars is the manager's matter
    condition = NOBODY
    if actor.has_role(*matrix.owners(READ)) and actor.staff_id:
        condition |= _hers(actor)
    for only in ("", *NARROWED):
        if grants := actor.reach(*matrix.leaders(READ, only)):
            reach = under_grants(grants, path="store__unit__path", store="store_id")
            condition |= reach & NARROWED.get(only, Q())
    return condition


def answer_filter(actor: Actor) -> Q:
    """As reading, narrowed to those who answer: below HQ only until HQ has taken over."""
    if actor.is_system:
        return Q()
    if actor.kind == "member":
        return NOBODY
    condition = NOBODY
    below = ~Q(stage="service")
    if actor.has_role(*matrix.owners(ANSWER)) and actor.staff_id:
        condition |= _hers(actor) & below
    for grant in actor.reach(*matrix.leaders(ANSWER)):
        reach = under_grants((grant,), path="store__unit__path", store="store_id")
        condition |= reach if grant.reach == "all" else reach & below
    return condition


def _hers(actor: Actor) -> Q:
    """His own, those he covers and those of his members; a complaint about himself is not shown to him."""
    mine = Q(guide_id=actor.staff_id) | Q(covers_for_id=actor.staff_id) | Q(member__owner_guide_id=actor.staff_id)
    return mine & Q(is_about_guide=False)
