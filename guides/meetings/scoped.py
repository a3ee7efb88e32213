"""Whose meetings an actor sees, and which he may look after."""

from django.db.models import Q

from guides.announcements.scoped import reach_of
from guides.org.models import OrgUnit, Staff
from guides.org.scoped import EVERYBODY
from yejibao.core.scope import Actor

from .models import MeetingAttendee

PLAN = "meeting.plan"


def keeper_filter(actor: Actor) -> Q:
    """Meetings of the units one plans for; HQ's departments look after what HQ planned, not who came to a store's own."""
    planned = reach_of(actor, PLAN, path="unit__path", store="unit__store")
    if planned == EVERYBODY and not actor.is_system:
        return Q(author__in=Staff.objects.filter(unit__level=OrgUnit.Level.HQ)) | Q(author_id=actor.staff_id or 0)
    return planned


def meeting_filter(actor: Actor) -> Q:
    """What one is asked to, and what one looks after."""
    if actor.is_system:
        return Q()
    mine = MeetingAttendee.objects.filter(staff_id=actor.staff_id or 0)
    return Q(pk__in=mine.values("meeting_id")) | keeper_filter(actor)
