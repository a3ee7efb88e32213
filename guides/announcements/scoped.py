"""Who tells whom, and whose reading is whose to look after (access_matrix.yaml, announcement.*)."""

from django.db.models import Q

from guides.org import matrix
from guides.org.scoped import EVERYBODY, NOBODY, under_grants
from yejibao.core.scope import Actor

PUBLISH, BOARD, URGE = "announcement.publish", "announcement.board", "announcement.urge"


def reach_of(actor: Actor, action: str, *, path: str, store: str) -> Q:
    """Return the condition for rows within an actor's reach in an action.

    A department's role reaches the whole company here, though its grant is for matters of its own (matrix: all).
    """
    if actor.is_system:
        return EVERYBODY
    if any(right.reach == "all" and actor.has_role(role) for role, right in matrix.rights(action).items()):
        return EVERYBODY
    return under_grants(actor.reach(*matrix.holders(action)), path=path, store=store)


def reaches_all(actor: Actor, action: str) -> bool:
    return reach_of(actor, action, path="path", store="store") == EVERYBODY


def staff_within(actor: Actor, action: str) -> Q:
    """Return the condition on receipts of people within reach in an action."""
    return reach_of(actor, action, path="staff__unit__path", store="staff__store_id")


def publisher_filter(actor: Actor) -> Q:
    """What a publisher may edit: of HQ all, of a branch its own."""
    if not actor.may(PUBLISH):
        return NOBODY
    return reach_of(actor, PUBLISH, path="unit__path", store="unit__store")


def receipt_filter(actor: Actor) -> Q:
    if actor.is_system:
        return Q()
    condition = staff_within(actor, BOARD)
    if condition == EVERYBODY:
        return Q()
    return condition | Q(staff_id=actor.staff_id) if actor.staff_id else condition


def announcement_filter(actor: Actor) -> Q:
    from .models import Announcement, AnnouncementReceipt

    if actor.is_system:
        return Q()
    told = Q(state__in=(Announcement.State.PUBLISHED, Announcement.State.WITHDRAWN))
    condition = publisher_filter(actor)
    if reaches_all(actor, BOARD):
        return condition | told | Q(state__in=(Announcement.State.ASKED, Announcement.State.SCHEDULED))
    theirs = AnnouncementReceipt.objects.filter(receipt_filter(actor))
    return condition | told & Q(pk__in=theirs.values("announcement_id"))
