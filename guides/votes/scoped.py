"""Whose votes an actor sees, and which he may look after."""

from django.db.models import Q

from guides.announcements.scoped import reach_of
from yejibao.core.scope import Actor

from .models import VoteBallot

CREATE = "vote.create"


def keeper_filter(actor: Actor) -> Q:
    """Votes of the units one asks for: HQ's for who asks at HQ, a store's for its manager."""
    return reach_of(actor, CREATE, path="unit__path", store="unit__store")


def vote_filter(actor: Actor) -> Q:
    """What one has a ballot of, and what one looks after."""
    if actor.is_system:
        return Q()
    mine = VoteBallot.objects.filter(staff_id=actor.staff_id or 0)
    return Q(pk__in=mine.values("vote_id"), withdrawn_at=None) | keeper_filter(actor)
