"""Which folders and files an actor sees."""

from django.db.models import Q

from guides.org.scoped import NOBODY
from yejibao.core.scope import Actor

KEEP = "drive.keep"


def folder_filter(actor: Actor) -> Q:
    """Folders for all or for a role one holds; who keeps the files sees all."""
    if actor.is_system or actor.may(KEEP):
        return Q()
    if actor.kind != "staff":
        return NOBODY
    return Q(is_open=True) & (Q(roles=[]) | Q(roles__overlap=sorted(actor.roles)))


def file_filter(actor: Actor) -> Q:
    """Files that stand, of such folders."""
    if actor.is_system:
        return Q()
    if actor.may(KEEP):
        return Q(removed_at=None)
    if actor.kind != "staff":
        return NOBODY
    return Q(removed_at=None, folder__is_open=True) & (
        Q(folder__roles=[]) | Q(folder__roles__overlap=sorted(actor.roles))
    )
