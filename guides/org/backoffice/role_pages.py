"""角色: what each role may do, who holds it, and the matrix of permissions. Granting is on the person's page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from yejibao.core import access, clock, desk, nav
from yejibao.core.errors import NotFound

from .. import overview
from ..actors import role_book, role_names
from ..rights_words import PERMISSIONS, RULES, reaches_of
from .unit_pages import READERS


@never_cache
@require_GET
@access.roles(*READERS)
def roles(request: HttpRequest) -> HttpResponse:
    """All roles with scope and number of holders, and the rules that hold for all."""
    context = {
        "lines": overview.role_lines(day=clock.today()), "rules": RULES, "nav_current": "roles",
        "permissions": overview.permission_table(), "names": role_names(),
    }  # fmt: skip
    return render(request, "backoffice/roles.html", context)


@never_cache
@require_GET
@access.roles(*READERS)
def role(request: HttpRequest, key: str) -> HttpResponse:
    """What a role reaches and may do, and who holds it today."""
    if key not in role_names():
        raise NotFound()
    day = clock.today()
    found, more = overview.holders(
        key, access.actor_of(request), day=day, before=desk.number(request.GET.get("before"))
    )
    line = next(one for one in overview.role_lines(day=day) if one.key == key)
    holds = [PERMISSIONS.get(name, name) for name, who in role_book()["permissions"].items() if key in who]
    context = {
        "line": line, "holds": holds, "reaches": reaches_of(key), "lines": [(row, overview.reach_words(row)) for row in found], "today": day,
        "next_url": f"?before={more}" if more else "", "nav_current": "roles",
    }  # fmt: skip
    return render(request, "backoffice/role.html", context)


nav.add(
    "hq", key="roles", label="角色与权限", icon="shield-check", url="guides:roles", order=72, group="组织与权限",
    roles=READERS,
)  # fmt: skip
