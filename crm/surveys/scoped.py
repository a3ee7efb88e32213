"""Whose answers an actor may read (access_matrix.yaml, survey.read), and whose to answer (survey.reply)."""

from django.db.models import Q

from crm.members.scoped import own_filter
from guides.org import matrix
from guides.org.scoped import NOBODY, under_grants
from yejibao.core.scope import Actor

from .rules import GOOD_STARS

READ, FIGURES, REPLY = "survey.read", "survey.figures", "survey.reply"


def survey_filter(actor: Actor) -> Q:
    """A guide: the good words about her, never a low score; those above: what was said in their stores; a member: his own."""
    if actor.is_system:
        return Q()
    if actor.kind == "member":
        return own_filter(actor)
    condition = NOBODY
    if actor.has_role(*matrix.owners(READ)) and actor.staff_id:
        condition |= Q(guide_id=actor.staff_id, stars__gte=GOOD_STARS)
    if grants := actor.reach(*matrix.leaders(READ)):
        condition |= under_grants(grants, path="store__unit__path", store="store_id")
    return condition


def reply_filter(actor: Actor) -> Q:
    """Answers that are this person's to say something to."""
    if actor.is_system:
        return Q()
    return under_grants(actor.reach(*matrix.leaders(REPLY)), path="store__unit__path", store="store_id")


def figure_filter(actor: Actor) -> Q:
    """Stores whose figures an actor sees, as a condition on rows with a `store`."""
    if actor.is_system:
        return Q()
    return under_grants(actor.reach(*matrix.leaders(FIGURES)), path="store__unit__path", store="store_id")
