"""Whose logs an actor may read (access_matrix.yaml, worklog.read)."""

from django.db.models import Q

from guides.org import matrix
from guides.org.scoped import NOBODY, under_grants
from yejibao.core.scope import Actor

READ = "worklog.read"


def log_filter(actor: Actor) -> Q:
    """One's own, drafts too; handed-in ones of the stores one reads upward from."""
    if actor.is_system:
        return Q()
    if not actor.staff_id:
        return NOBODY
    reach = under_grants(actor.reach(*matrix.leaders(READ)), path="store__unit__path", store="store_id")
    return Q(staff_id=actor.staff_id) | Q(handed_in_at__isnull=False) & reach
