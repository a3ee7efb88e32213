"""Whose outfits and sent looks an actor may read."""

from django.db.models import Q

from guides.org import matrix
from guides.org.scoped import EVERYBODY, NOBODY
from yejibao.core.scope import Actor

PUBLISH, PROPOSE = "outfit.publish", "outfit.propose"


def outfit_filter(actor: Actor) -> Q:
    """Published ones for everybody who works here; all for stylists; one's own whatever became of them."""
    if actor.is_system or actor.has_role(*matrix.leaders(PUBLISH)):
        return EVERYBODY
    condition = Q(state="published")
    return condition | Q(author_id=actor.staff_id) if actor.staff_id else condition


def share_filter(actor: Actor) -> Q:
    """What was sent to members whose card the actor may open, and what he sent himself."""
    from crm.members.models import Member

    if actor.is_system:
        return EVERYBODY
    condition = Q(member__in=Member.objects.visible_to(actor).values("pk"))
    return condition | Q(guide_id=actor.staff_id) if actor.staff_id else condition | NOBODY
