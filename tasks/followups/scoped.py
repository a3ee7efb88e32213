"""Which tasks an actor may read (access_matrix.yaml, followup.read)."""

from typing import Any

from django.db.models import Q, QuerySet

from guides.org import matrix
from guides.org.scoped import NOBODY, under_grants
from yejibao.core import together
from yejibao.core.scope import Actor

READ, DO = "followup.read", "followup.do"
OWN_KIND = {"live_operator": "live"}  # reads follow-ups of its own kind only, by the prefix of their type


def task_filter(actor: Actor) -> Q:
    """Own tasks; a manager the store's; supervisors, branch and HQ those of their subtree; 直播 those of its kind."""
    if actor.is_system:
        return Q()
    condition = NOBODY
    if actor.has_role(*matrix.holders(DO)) and actor.staff_id:
        condition |= Q(assignee_id=actor.staff_id)
    if grants := actor.reach(*matrix.leaders(READ)):
        condition |= under_grants(grants, path="store__unit__path", store="store_id")
    for role in matrix.leaders(READ, "own_kind"):
        if grants := actor.reach(role):
            reach = under_grants(grants, path="store__unit__path", store="store_id")
            condition |= reach & Q(task_type__startswith=OWN_KIND[role])
    return condition


def visible_ids(actor: Actor) -> tuple[str, tuple[Any, ...]] | None:
    """Return `Task.objects.visible_to(actor)` as a query of ids with its parameters; None where nothing is to be seen."""
    from .models import Task

    return together.visible_ids(Task, actor)


def members_with_open_work(staff_id: int) -> QuerySet[Any, Any]:
    """Return the ids of members this person has an open task for, as a subquery: crm lets him see their cards."""
    from .models import Task

    return Task.objects.filter(assignee_id=staff_id, state=Task.State.OPEN).values("member_id")
