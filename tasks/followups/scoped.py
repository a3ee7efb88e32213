"""Which tasks an actor may read (reliability-security §3, row "follow-up read / do")."""

from functools import lru_cache
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import Q, QuerySet

from guides.org.scoped import NOBODY, under_grants
from yejibao.core.scope import Actor

READ_ROLES = ("store_manager", "area_supervisor", "branch_member_manager", "hq_operator", "hq_crm", "hq_retail")


def task_filter(actor: Actor) -> Q:
    """Own tasks; a manager the store's; supervisors, branch and HQ those of their subtree."""
    if actor.is_system:
        return Q()
    condition = NOBODY
    if actor.has_role("guide", "store_manager") and actor.staff_id:
        condition |= Q(assignee_id=actor.staff_id)
    grants = actor.reach(*READ_ROLES)
    if grants:
        condition |= under_grants(grants, path="store__unit__path", store="store_id")
    return condition


@lru_cache(maxsize=4096)
def visible_ids(actor: Actor) -> tuple[str, tuple[Any, ...]] | None:
    """Return `Task.objects.visible_to(actor)` as a query of ids with its parameters; None where nothing is to be seen.

    For statements written by hand. The actor says all it depends on, and building it costs more than reading a list.
    """
    from .models import Task

    try:
        sql, params = Task.objects.visible_to(actor).order_by().values("pk").query.sql_with_params()
    except EmptyResultSet:
        return None
    return str(sql), tuple(params)


def members_with_open_work(staff_id: int) -> QuerySet[Any, Any]:
    """Return the ids of members this person has an open task for, as a subquery: crm lets him see their cards."""
    from .models import Task

    return Task.objects.filter(assignee_id=staff_id, state=Task.State.OPEN).values("member_id")
