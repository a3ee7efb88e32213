"""In which role an export is asked, kept with it: who approves and which rows come out follow from the same role."""

from dataclasses import replace
from typing import Any

from guides.approvals.rules import kinds
from guides.approvals.services import NotYoursToAsk
from guides.org.actors import permissions_of
from guides.org.models import OrgUnit
from yejibao.core.scope import Actor


def pinned(actor: Actor, kind: str) -> tuple[Actor, dict[str, Any], OrgUnit | None]:
    """Return who asks with the one role he asks in, how that is kept with the export, and whose people approve.

    What is approved is what that role reaches: another role of his would need other people's yes. The unit is the nearest
    above all its grants; None where the whole company is in question. Raises NotYoursToAsk.
    """
    role = kinds()[kind].asking_role(actor)
    if not role:
        raise NotYoursToAsk()
    asker = in_role(actor, {"asked_role": role})
    path = _nearest_above(asker)
    unit = OrgUnit.objects.filter(path=path).first() if path else None
    return asker, {"asked_role": role, "within": path}, unit


def in_role(actor: Actor, params: dict[str, Any]) -> Actor:
    """Return an actor as the approval saw him: one role, and not beyond the unit whose people approved."""
    role, within = params.get("asked_role", ""), params.get("within", "")
    grants = tuple(one for one in actor.reach(role) if one.path.startswith(within))
    held = permissions_of(frozenset(one.role for one in grants))
    return replace(actor, working_role=role, grants=grants, permissions=held)


def _nearest_above(actor: Actor) -> str:
    """Return the path of the nearest unit above all grants; "" for the whole company, or stores that lie anywhere."""
    if any(one.reach == "all" or one.store_ids or not one.path for one in actor.grants):
        return ""
    paths = [one.path.rstrip("/").split("/") for one in actor.grants]
    shared = []
    for steps in zip(*paths, strict=False):
        if len(set(steps)) > 1:
            break
        shared.append(steps[0])
    return "/".join(shared) + "/" if shared else ""
