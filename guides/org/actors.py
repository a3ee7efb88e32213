"""From a person to an `Actor`: roles, reach and permissions, read with the session in one query."""

from functools import cache
from pathlib import Path
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from yejibao.core import clock, logs
from yejibao.core.domain_files import read_yaml
from yejibao.core.errors import DomainError
from yejibao.core.limits import address_of
from yejibao.core.scope import Actor, Grant

from .models import OrgUnit, Staff
from .sessions import CONFIRMED, ROLE, STAFF, Found, SessionStore, find_person

ROLE_FILE = Path(__file__).parent.parent / "data" / "org_and_roles.yaml"


class AccountEnded(DomainError):
    """A session or a sign-in of somebody who left or was barred."""

    status, code, title = 401, "auth.account_ended", _("你的账号已停用，不能再登录")


class NoRoleLeft(AccountEnded):
    """A session of somebody whose last role ended: a temporary one, or a dealer's whose contract is over."""

    code, title = "auth.no_role", _("你的岗位已经到期")


@cache
def role_book() -> dict[str, Any]:
    """Return the domain file of roles and permissions."""
    book: dict[str, Any] = read_yaml(ROLE_FILE)
    return book


@cache
def role_names() -> dict[str, str]:
    """Return 导购, 店长… by role key, in the order of the domain file."""
    return {role["key"]: role["name"] for role in role_book()["roles"]}


@cache
def role_facts(role: str) -> dict[str, Any]:
    """Return name, level, scope and device of a role. Raises KeyError for an unknown one."""
    return {row["key"]: row for row in role_book()["roles"]}[role]


@cache
def permissions_of(roles: frozenset[str]) -> frozenset[str]:
    """Return the union of the permissions of these roles."""
    return frozenset(name for name, holders in role_book()["permissions"].items() if roles & set(holders))


def _grant(held: dict[str, Any]) -> Grant:
    role, path = held["role"], held["path"] or ""
    match role_facts(role)["scope"]:
        case "all":
            return Grant(role, "all")
        case "stores_owned":
            return Grant(role, "units", store_ids=tuple(held["store_ids"]))
        case "self":  # the path tells where she works, it widens nothing: 临时支援 in a second store
            return Grant(role, "self", path=path if held["level"] == OrgUnit.Level.STORE else "")
        case "dept":  # matters of one's own department; rooms that have such matters add them
            return Grant(role, "self")
        case _:
            return Grant(role, "units", path=path) if path else Grant(role, "self")


def _actor(found: Found, working_role: str, facts: dict[str, str]) -> Actor:
    person, known = found.person, role_names()
    grants = tuple(_grant(row) for row in found.held if row["role"] in known)
    roles = frozenset(grant.role for grant in grants)
    works_as = working_role if working_role in roles else (grants[0].role if grants else "")
    return Actor(
        kind="staff",
        staff_id=person.pk,
        name=person.name,
        display_name=person.display_name,
        working_role=works_as,
        grants=grants,
        permissions=permissions_of(roles),
        working_permissions=permissions_of(frozenset([works_as])),
        store_id=person.store_id,
        store_path=found.store_path,
        store_name=found.store_name,
        session_facts=facts,
    )


def actor_for(person: Staff, *, working_role: str = "", facts: dict[str, str] | None = None) -> Actor:
    """Return the actor of a person as the database has it now. A role switch changes the menu, never the scope."""
    return _actor(find_person(person.pk, day=clock.today()), working_role, facts or {})


def facts_of(request: HttpRequest) -> dict[str, str]:
    """Return what the audit notes of a request."""
    return {
        "ip": address_of(request),
        "agent": request.META.get("HTTP_USER_AGENT", ""),
        "request_id": getattr(request, "request_id", ""),
    }


def actor_of_request(request: HttpRequest) -> Actor:
    """Resolve and remember the actor of a request, from the one query that loads its session.

    Raises AccountEnded when the session's person left, was barred or holds no role any more; the session is gone then.
    """
    request.actor = actor = Actor(session_facts=facts_of(request))  # type: ignore[attr-defined]
    request.user = AnonymousUser()
    session = request.session
    if not session.get(STAFF) or not isinstance(session, SessionStore) or session.found is None:
        return actor
    found = session.found
    if not found.person.is_active:
        session.flush()
        raise AccountEnded(_("如果有疑问，请联系你的店长或总部信息中心。"))
    known = _actor(found, session.get(ROLE, ""), actor.session_facts)
    if not known.grants:
        session.flush()
        raise NoRoleLeft(_("请让店长或总部信息中心给你分配岗位，再重新登录。"))
    session.touch()
    if seen := session.get(CONFIRMED):
        actor.session_facts.update(confirmed_by=seen["way"], confirmed_at=seen["at"])
    request.user = found.person
    request.waiting = found.waiting  # type: ignore[attr-defined]
    request.actor = actor = known  # type: ignore[attr-defined]
    logs.bind(staff=actor.staff_id, role=actor.working_role)
    return actor
