"""Whose benefits an actor may see: a member's with his card; batches by where coupons are given (access_matrix.yaml, coupon.*)."""

from django.db.models import Q

from crm.members.models import Member
from crm.members.scoped import own_filter
from guides.org import matrix
from guides.org.models import OrgUnit
from guides.org.scoped import EVERYBODY, NOBODY, under_grants
from yejibao.core.scope import Actor

MAKE, ISSUE, COST = "coupon.create_batch", "coupon.issue", "coupon.cost"


def of_members(actor: Actor) -> Q:
    """Rows of members whose card the actor may open."""
    if actor.kind == "member":
        return own_filter(actor)
    return Q() if actor.is_system else Q(member__in=Member.objects.visible_to(actor))


def coupon_filter(actor: Actor) -> Q:
    """Coupons of members whose card he may open, and those he gave out himself."""
    condition = of_members(actor)
    return condition | Q(issuer_id=actor.staff_id) if actor.staff_id and not actor.is_system else condition


def batch_filter(actor: Actor) -> Q:
    """Whoever makes, gives or pays for coupons: HQ's batches, his branch's, and those below what he reaches."""
    if actor.is_system:
        return Q()
    if actor.kind == "member":  # he reads his coupons; what he may claim is a query of its own
        return NOBODY
    if actor.has_role(*matrix.leaders(COST)):
        return EVERYBODY
    if not actor.has_role(*matrix.holders(ISSUE)):
        return NOBODY
    condition = Q(unit__level=OrgUnit.Level.HQ)
    condition |= under_grants(actor.reach(*matrix.leaders(ISSUE)), path="unit__path", store="unit__store")
    if own := _paths_above(actor):
        condition |= Q(unit__path__in=own)
    return condition


def _paths_above(actor: Actor) -> list[str]:
    """Return the paths of the units his places lie under: 1/12/345/ -> 1/, 1/12/, 1/12/345/."""
    paths = {grant.path for grant in actor.grants if grant.path} | ({actor.store_path} if actor.store_path else set())
    found: set[str] = set()
    for path in paths:
        parts = path.strip("/").split("/")
        found |= {"/".join(parts[:depth]) + "/" for depth in range(1, len(parts) + 1)}
    return sorted(found)
