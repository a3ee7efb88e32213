"""How far a board reaches and how deep (access_matrix.yaml, followup.figures and .read; org_and_roles.yaml `sees`)."""

from django.db.models import Q

from guides.org import matrix
from guides.org.models import OrgUnit
from guides.org.scoped import NOBODY, under_grants
from tasks.followups.scoped import OWN_KIND, READ
from yejibao.core.scope import Actor

VIEW = "task.progress_view"
# "down to store" for region and branch managers, no identities for executives: their boards end at the store.
GUIDE_ROLES = ("store_manager", "area_supervisor", "branch_member_manager", "hq_operator", "hq_crm", "hq_retail")
# Who may read the tasks behind a figure; only the store's manager reads the members' full names.
NAME_ROLES = matrix.leaders(READ)
FULL_NAME_ROLES = ("store_manager",)
URGE_ROLES = ("store_manager", "area_supervisor", "branch_member_manager", "hq_operator")


def figure_roles() -> tuple[str, ...]:
    """Return the roles that see completion figures at all."""
    return matrix.holders("followup.figures")


def figure_filter(actor: Actor, *, path: str, store: str) -> Q:
    """Return the condition "figures this actor may see" for a model whose org path is at `path`."""
    if actor.is_system:
        return Q()
    grants = actor.reach(*figure_roles())
    return under_grants(grants, path=path, store=store) if grants else NOBODY


def named_filter(actor: Actor) -> Q:
    """Return the condition for tasks this actor may list by member, on top of `Task.objects.visible_to`."""
    grants = actor.reach(*NAME_ROLES)
    return under_grants(grants, path="store__unit__path", store="store_id") if grants else NOBODY


def covers(actor: Actor, roles: tuple[str, ...], unit: OrgUnit) -> bool:
    """Tell whether one of these roles of the actor reaches a unit."""
    path = unit.path or ""
    return any(
        grant.reach == "all" or (grant.reach == "units" and bool(grant.path) and path.startswith(grant.path))
        for grant in actor.reach(*roles)
    )


def own_kind(actor: Actor, unit: OrgUnit) -> str:
    """Return the prefix of task types this actor is limited to at a unit, "" for all."""
    others = tuple(role for role in figure_roles() if role not in OWN_KIND)
    if covers(actor, others, unit):
        return ""
    return next((kind for role, kind in OWN_KIND.items() if covers(actor, (role,), unit)), "")
