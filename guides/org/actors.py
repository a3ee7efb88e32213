"""From a person to an `Actor`: roles, reach and permissions in one query."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from yejibao.core import clock
from yejibao.core.scope import Actor, Grant

from .models import RoleAssignment, Staff, Store

ROLE_FILE = Path(__file__).parent.parent / "data" / "org_and_roles.yaml"
SESSION_STAFF = "staff_id"
SESSION_ROLE = "working_role"


@cache
def role_book() -> dict[str, Any]:
    """Return the domain file of roles and permissions."""
    return yaml.safe_load(ROLE_FILE.read_text())


@cache
def role_names() -> dict[str, str]:
    return {role["key"]: role["name"] for role in role_book()["roles"]}


@cache
def permissions_of(roles: frozenset[str]) -> frozenset[str]:
    """Return the union of the permissions of these roles."""
    return frozenset(name for name, holders in role_book()["permissions"].items() if roles & set(holders))


@cache
def _scope_of(role: str) -> str:
    return next(row["scope"] for row in role_book()["roles"] if row["key"] == role)


def actor_for(person: Staff, *, working_role: str = "", facts: dict[str, str] | None = None) -> Actor:
    """Return the actor of a person as the database has it now. A role switch changes the menu, never the scope."""
    assignments = (
        RoleAssignment.objects.filter(RoleAssignment.in_force(clock.today()), staff=person)
        .select_related("unit")
        .order_by("pk")
    )
    grants = []
    for held in assignments:
        match _scope_of(held.role):
            case "self":
                grants.append(Grant(held.role, "self"))
            case "all" | "dept":
                grants.append(Grant(held.role, "all" if _scope_of(held.role) == "all" else "self"))
            case "stores_owned":
                owned = Store.objects.filter(dealer_id=held.dealer_id).values_list("pk", flat=True)
                grants.append(Grant(held.role, "units", store_ids=tuple(owned)))
            case _:
                grants.append(Grant(held.role, "units", path=held.unit.path or ""))
    roles = frozenset(grant.role for grant in grants)
    store = person.store
    return Actor(
        kind="staff",
        staff_id=person.pk,
        name=person.name,
        display_name=person.display_name,
        working_role=working_role if working_role in roles else (grants[0].role if grants else ""),
        grants=tuple(grants),
        permissions=permissions_of(roles),
        store_id=person.store_id,
        store_path=(store.unit.path or "") if store else "",
        store_name=store.short_name if store else "",
        session_facts=facts or {},
    )


def actor_of_request(request: HttpRequest) -> Actor:
    """Resolve and remember the actor of a request; a session of someone who may not sign in any more is ended."""
    facts = {"ip": request.META.get("REMOTE_ADDR", ""), "request_id": getattr(request, "request_id", "")}
    actor = Actor(session_facts=facts)
    person: Staff | AnonymousUser = AnonymousUser()
    staff_id = request.session.get(SESSION_STAFF)
    if staff_id:
        found = Staff.objects.select_related("store__unit").filter(pk=staff_id).first()
        if found is None or not found.is_active:
            request.session.flush()
        else:
            person = found
            actor = actor_for(found, working_role=request.session.get(SESSION_ROLE, ""), facts=facts)
    request.actor = actor  # type: ignore[attr-defined]
    request.user = person  # type: ignore[assignment]
    return actor


def with_facts(actor: Actor, request: HttpRequest) -> Actor:
    """Return the actor with this request's address and id, for the audit."""
    return replace(actor, session_facts={"ip": request.META.get("REMOTE_ADDR", "")})
