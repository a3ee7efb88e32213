"""Whose patrols an actor may read, and which stores he may patrol (access_matrix.yaml, patrol.*)."""

from functools import cache

from django.db.models import Q

from guides.org import matrix
from guides.org.scoped import EVERYBODY, NOBODY, under_grants
from yejibao.core.scope import Actor

from .book import departments

READ, DO, SELF = "patrol.read", "patrol.do", "patrol.self"
FRANCHISE = "franchise"  # has no items of its own: its matter are the dealers' stores, whole


@cache
def department_of(role: str) -> str:
    """Return the department a role of HQ patrols and reads for; "" for who has none."""
    return next((key for key, facts in departments().items() if facts["role"] == role), "")


def own_departments(actor: Actor) -> list[str]:
    """Return the departments whose items are his to read, by his roles at HQ."""
    return [
        found for role in matrix.leaders(READ, "own_kind") if actor.has_role(role) and (found := department_of(role))
    ]


def stores_to_patrol(actor: Actor, *, prefix: str = "") -> Q:
    """Return the condition for stores where he may do a patrol (not a self patrol). `prefix` is the way to the store."""
    path, store = _way(prefix)
    condition = under_grants(actor.reach(*matrix.leaders(DO)), path=path, store=store)
    return condition | _of_departments(prefix, [r for r in matrix.leaders(DO, "own_kind") if actor.has_role(r)])


def stores_to_read(actor: Actor, *, prefix: str = "") -> Q:
    """Return the condition for stores whose patrols are his to read, whole or by department."""
    path, store = _way(prefix)
    condition = under_grants(actor.reach(*matrix.leaders(READ)), path=path, store=store)
    return condition | _of_departments(prefix, [r for r in matrix.leaders(READ, "own_kind") if actor.has_role(r)])


def visit_filter(actor: Actor) -> Q:
    """One's own; of others what was handed in, in reach or with items of one's own department."""
    return _visits(actor, "") if not actor.is_system else Q()


def item_filter(actor: Actor) -> Q:
    """The same for a row that hangs on `visit` and `item`: a department reads its own items of what others did."""
    if actor.is_system:
        return Q()
    condition = _own(actor, "visit__") | _reached(actor, "visit__")
    for department in own_departments(actor):
        theirs = _dealers("visit__") if department == FRANCHISE else Q(item__department=department)
        condition |= Q(visit__state="submitted") & theirs
    return condition


def photo_filter(actor: Actor) -> Q:
    """Photos of the items in sight; where somebody stood is seen by who sees the whole visit."""
    return item_filter(actor)


def finding_filter(actor: Actor) -> Q:
    """Findings of the items in sight, and those one is to mend."""
    if actor.is_system or not actor.staff_id:
        return item_filter(actor)
    return item_filter(actor) | Q(owner_id=actor.staff_id)


def plan_filter(actor: Actor) -> Q:
    """One's own plan and that of the stores in reach; a plan says who comes, not what was found."""
    if actor.is_system:
        return Q()
    return _own(actor, "") | stores_to_read(actor, prefix="store")


def _visits(actor: Actor, prefix: str) -> Q:
    condition = _own(actor, prefix) | _reached(actor, prefix)
    for department in own_departments(actor):
        theirs = _dealers(prefix) if department == FRANCHISE else Q(**{f"{prefix}department__in": ("", department)})
        condition |= Q(**{f"{prefix}state": "submitted"}) & theirs
    return condition


def _own(actor: Actor, prefix: str) -> Q:
    return Q(**{f"{prefix}patroller_id": actor.staff_id}) if actor.staff_id else NOBODY


def _reached(actor: Actor, prefix: str) -> Q:
    path, store = _way(f"{prefix}store")
    reach = under_grants(actor.reach(*matrix.leaders(READ)), path=path, store=store)
    return Q(**{f"{prefix}state": "submitted"}) & reach


def _of_departments(prefix: str, roles: list[str]) -> Q:
    """HQ's departments look after all stores, 特许经销部 after the dealers'."""
    if not roles:
        return NOBODY
    if any(department_of(role) != FRANCHISE for role in roles):
        return EVERYBODY
    return Q(**{f"{prefix}__kind" if prefix else "kind": "dealer"})


def _dealers(prefix: str) -> Q:
    return Q(**{f"{prefix}store__kind": "dealer"})


def _way(prefix: str) -> tuple[str, str]:
    return (f"{prefix}__unit__path", f"{prefix}_id") if prefix else ("unit__path", "pk")


def stores_of_own(actor: Actor) -> Q:
    """Return the condition for stores where he may do a self patrol: the manager's, and the one a guide works in."""
    condition = under_grants(actor.reach(*matrix.leaders(SELF)), path="unit__path", store="pk")
    if actor.has_role(*matrix.exactly(SELF, "own")):
        if actor.store_id:
            condition |= Q(pk=actor.store_id)
        for helped in (grant.path for grant in actor.grants if grant.reach == "self" and grant.path):
            condition |= Q(unit__path=helped)
    return condition
