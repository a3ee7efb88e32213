"""Whose questions an actor sees, and which are his to answer (access_matrix.yaml, call_hq.ask and call_hq.answer)."""

from django.db.models import Q

from guides.org import matrix
from guides.org.scoped import NOBODY, under_grants
from yejibao.core.scope import Actor

ASK, ANSWER = "call_hq.ask", "call_hq.answer"


def call_filter(actor: Actor) -> Q:
    """One's own, those of the stores one heads or owns, and what is one's to answer."""
    if actor.is_system:
        return Q()
    if not actor.staff_id:
        return NOBODY
    condition = Q(asker_id=actor.staff_id) | answer_filter(actor)
    if grants := actor.reach(*matrix.leaders(ASK)):
        condition |= under_grants(grants, path="store__unit__path", store="store_id")
    return condition


def speaker_filter(actor: Actor) -> Q:
    """Questions one may go on with on the asking side: one's own, and those of one's stores."""
    if not actor.staff_id:
        return NOBODY
    condition = Q(asker_id=actor.staff_id)
    if grants := actor.reach(*matrix.leaders(ASK)):
        condition |= under_grants(grants, path="store__unit__path", store="store_id")
    return condition


def answer_filter(actor: Actor) -> Q:
    """Questions of one's own department; what one heads or was given, as long as one may answer at all."""
    held = [role for role in matrix.leaders(ANSWER, "own_kind") if actor.has_role(role)]
    if not held or not actor.staff_id:
        return NOBODY
    return Q(category__responder__in=held) | Q(category__head_id=actor.staff_id) | Q(assignee_id=actor.staff_id)


def draft_filter(actor: Actor) -> Q:
    """Kept answers: to whoever answers all of them, to whoever may ask those that stand, to a dealer those for dealers."""
    if actor.is_system or actor.has_role(*matrix.holders(ANSWER)):
        return Q()
    stands = ~Q(state="refused")
    if actor.has_role(*(role for role in matrix.holders(ASK) if role != "dealer")):
        return stands
    return stands & Q(category__is_for_dealers=True) if actor.has_role("dealer") else NOBODY


def open_categories(actor: Actor) -> Q:
    """What one may ask about: a dealer, and who works in a dealer's store, not everything."""
    asks_as_dealer = actor.has_role("dealer") and not actor.has_role("guide", "store_manager")
    return Q(is_open=True, is_for_dealers=True) if asks_as_dealer else Q(is_open=True)
