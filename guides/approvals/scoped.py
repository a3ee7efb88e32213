"""Whose requests an actor may see, and on which he may decide."""

from django.db.models import Q, QuerySet

from guides.org.scoped import NOBODY, under_grants
from yejibao.core.scope import Actor

from .models import ApprovalStep


def in_hand(actor: Actor) -> QuerySet[ApprovalStep]:
    """Return the approvals, given or not, that a person's roles and their reach let him give."""
    condition = NOBODY
    for grant in actor.grants:
        reach = under_grants((grant,), path="approval__unit__path", store="approval__unit__store")
        if reach != NOBODY:
            condition |= Q(roles__contains=[grant.role]) & reach
    return ApprovalStep.objects.filter(condition)


def approval_filter(actor: Actor) -> Q:
    """One's own requests, and those one may give an approval of or gave one."""
    if actor.is_system:
        return Q()
    if not actor.staff_id:
        return NOBODY
    given = ApprovalStep.objects.filter(by_id=actor.staff_id)
    return (
        Q(asked_by_id=actor.staff_id)
        | Q(pk__in=in_hand(actor).values("approval_id"))
        | Q(pk__in=given.values("approval_id"))
    )


def waiting_filter(actor: Actor) -> Q:
    """Requests of others with an approval that is missing and his to give, of which he has given none."""
    if not actor.staff_id:
        return NOBODY
    given = ApprovalStep.objects.filter(by_id=actor.staff_id)
    missing = in_hand(actor).filter(by=None)
    return (
        Q(pk__in=missing.values("approval_id"))
        & ~Q(asked_by_id=actor.staff_id)
        & ~Q(pk__in=given.values("approval_id"))
    )
