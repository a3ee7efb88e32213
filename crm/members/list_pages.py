"""会员 for those above a store: HQ's table at the PC, an area supervisor's list on the phone. Masked; each look is on record."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from guides.org import matrix
from guides.org.models import OrgUnit, Staff
from yejibao.core import access, audit, clock, desk, hx, limits, nav
from yejibao.core.errors import NotFound
from yejibao.core.personal import mask_mobiles, mask_name

from .customers import level_names
from .exporting import TIERS
from .listing import Asked, Within, find_members, find_within
from .scoped import CARD, LIST

IN_STORE = matrix.owners(LIST)  # who have a page of their own (pages.py)
IN_THE_FIELD = matrix.exactly(LIST, "area")
AT_HQ = tuple(role for role in matrix.holders(LIST) if role not in (*IN_STORE, *IN_THE_FIELD))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles(*AT_HQ)
@limits.by("search", given="q")
def hq_members(request: HttpRequest) -> HttpResponse:
    """The table: by a whole phone, a card number, how a name begins; narrowed to a unit, a colleague, a tier."""
    return _page(request, "members/hq_list.html", "members/hq_rows.html")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles(*IN_THE_FIELD)
@limits.by("search", given="q")
def area_members(request: HttpRequest) -> HttpResponse:
    """The same for the phone of who has the list and opens no card."""
    return _page(request, "members/area_list.html", "members/area_rows.html")


def _page(request: HttpRequest, template: str, rows: str) -> HttpResponse:
    """Answer the page, or for htmx the rows alone. What is searched for comes in the body: a phone, a name."""
    actor, now = access.actor_of(request), clock.now()
    asked, within = _asked(request)
    is_vague = within.count > 1 or bool(request.POST.get("within", "").strip() and not within.count)
    get = request.POST if request.method == "POST" else request.GET
    found, more = ([], None) if is_vague else find_members(actor, asked, before=desk.number(get.get("before")))
    audit.saw_members(actor, [one.pk for one in found], where="会员列表")
    may_open = actor.may(CARD)
    context: dict[str, Any] = {
        "lines": [_line(one) for one in found], "more": more, "asked": asked, "within": within, "is_vague": is_vague,
        "tiers": TIERS, "may_open": may_open, "now": now, "narrowed": _address(asked),
        "is_narrowed": bool(asked.words or asked.unit or asked.guide or asked.tier), "nav_current": "members",
        "is_first": not (hx.is_htmx(request) and get.get("before")), "typed": request.POST.get("within", "").strip()[:32],
    }  # fmt: skip
    return render(request, rows if hx.is_htmx(request) else template, context)


def _asked(request: HttpRequest) -> tuple[Asked, Within]:
    """Read what is asked for. A unit or colleague is found by what was typed; of several one is to be chosen.

    Raises NotFound for one out of sight, and for a tier that does not exist.
    """
    actor = access.actor_of(request)
    get = request.POST if request.method == "POST" else request.GET
    tier = get.get("tier", "")
    if tier and tier not in TIERS:
        raise NotFound()
    unit_id, guide_id = desk.number(get.get("unit")), desk.number(get.get("guide"))
    unit = get_object_or_404(OrgUnit.objects.visible_to(actor), pk=unit_id) if unit_id else None
    people = Staff.objects.visible_to(actor).defer("phone", "password")
    guide = get_object_or_404(people, pk=guide_id) if guide_id else None
    within = find_within(actor, request.POST.get("within", ""))
    if within.count == 1:
        unit, guide = next(iter(within.units), unit), next(iter(within.people), guide)
    return Asked(request.POST.get("q", "").strip()[:32], unit, guide, tier), within


def _address(asked: Asked) -> str:
    """Return what the list is narrowed to as the query of an address: ids and a tier, never words."""
    ids = {
        "unit": asked.unit.pk if asked.unit else "",
        "guide": asked.guide.pk if asked.guide else "",
        "tier": asked.tier,
    }
    return urlencode({name: value for name, value in ids.items() if value})


def _line(one: Any) -> dict[str, Any]:
    return {
        "one": one, "name": mask_name(one.name), "number": mask_mobiles(one.member_no),
        "level": level_names().get(one.member_level, ""),
    }  # fmt: skip


nav.add("hq", key="members", label="会员", icon="book-user", url="crm:hq-members", order=55, roles=AT_HQ)
nav.add(
    "manager", key="members", label="会员", icon="book-user", url="crm:area-members", order=25, roles=IN_THE_FIELD
)  # fmt: skip
nav.add("me", key="members", label="本店会员", icon="book-user", url="crm:members", order=30, roles=("store_manager",))
