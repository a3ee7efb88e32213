"""The one scope filter: an actor's grants become a condition on a store's org path."""

from django.db.models import Q

from yejibao.core import clock
from yejibao.core.scope import Actor, Grant

from . import matrix

NOBODY = Q(pk__in=())
EVERYBODY = Q(pk__isnull=False)

# Whose people's work is theirs to look after (reliability-security §3, row "follow-up read / do").
LEADING_ROLES = ("store_manager", "area_supervisor", "region_manager", "branch_manager", "branch_member_manager")
# HQ roles of scope `all` without a word about staff in the matrix; they look people up as everybody at HQ does.
HQ_READERS = ("hq_operator", "hq_crm", "hq_retail", "live_operator")


def under_grants(grants: tuple[Grant, ...], *, path: str, store: str) -> Q:
    """Return the condition "within these grants" for a model whose org path is at `path` and whose store at `store`.

    Grants that reach only the person himself match nothing here; the caller adds what `self` means for its table.
    """
    condition = Q()
    for grant in grants:
        if grant.reach == "all":
            return EVERYBODY
        if grant.store_ids:
            condition |= Q(**{f"{store}__in": grant.store_ids})
        elif grant.reach == "units" and grant.path:
            condition |= Q(**{f"{path}__startswith": grant.path})
    return condition or NOBODY


def store_filter(actor: Actor, *, prefix: str) -> Q:
    """Return the condition for stores the actor sees at all, a guide's own and those he helps in included."""
    path, store = (f"{prefix}__unit__path", f"{prefix}_id") if prefix else ("unit__path", "pk")
    condition = under_grants(actor.grants, path=path, store=store)
    if actor.store_id:
        condition |= Q(**{store: actor.store_id})
    for helped in (grant.path for grant in actor.grants if grant.reach == "self" and grant.path):
        condition |= Q(**{f"{path}": helped})
    return condition


def patrolled_filter(actor: Actor) -> Q:
    """Return the condition for stores a department of HQ goes to: it sees that they are there, nothing of what is in them."""
    return EVERYBODY if actor.has_role(*matrix.leaders("patrol.do", "own_kind")) else NOBODY


def unit_filter(actor: Actor) -> Q:
    """Return the condition for org units: what lies under the actor's grants, and his own store."""
    condition = under_grants(actor.grants, path="path", store="store")
    return condition | Q(store=actor.store_id) if actor.store_id else condition


def staff_filter(actor: Actor) -> Q:
    """Return the condition for people an actor may look up: himself, those under his grants, those of the stores he works in.

    Who helps in a store for some days is looked up there too.
    """
    from .models import RoleAssignment

    condition = under_grants(actor.grants, path="unit__path", store="store_id")
    if condition == EVERYBODY:
        return condition
    helped = under_grants(actor.grants, path="unit__path", store="unit__store")
    if actor.staff_id:
        condition |= Q(pk=actor.staff_id)
    if actor.store_id and actor.has_role("guide", "store_manager"):
        condition |= Q(store_id=actor.store_id)
        helped |= Q(unit__store=actor.store_id)
    for path in (grant.path for grant in actor.grants if grant.reach == "self" and grant.path):
        condition |= Q(unit__path=path)
        helped |= Q(unit__path=path)
    lent = RoleAssignment.objects.filter(helped, RoleAssignment.in_force(clock.today()), ends_on__isnull=False)
    return condition | Q(pk__in=lent.values("staff_id"))


def lead_filter(actor: Actor) -> Q:
    """Return the condition for people who answer to an actor, himself included."""
    condition = under_grants(actor.reach(*LEADING_ROLES, *HQ_READERS), path="unit__path", store="store_id")
    return condition | Q(pk=actor.staff_id) if actor.staff_id else condition
