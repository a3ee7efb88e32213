"""邀约的全链路: asked, accepted, came, bought, by unit, guide, kind and week, down to the names."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from guides.org import matrix
from guides.org.models import OrgUnit, Staff
from guides.org.pages import shell_facts
from yejibao.core import access, audit, clock, desk, hx, nav
from yejibao.core.errors import NotFound
from yejibao.core.scope import Actor

from . import queries
from .models import Kind, Visit, VisitGroup
from .queries import Asked, Chain
from .scoped import FIGURES, GROUP

IN_STORE = ("guide",)
READERS = tuple(role for role in matrix.holders(FIGURES) if role not in IN_STORE)
FIELD = ("store_manager", "area_supervisor")
AT_HQ = tuple(role for role in READERS if role not in FIELD)
MAKERS = matrix.holders(GROUP)
STATE_NAMES = (("invited", "已邀约"), ("accepted", "已应约"), ("arrived", "已到店"), ("bought", "已成交"), ("no_show", "没有来"),
               ("declined", "来不了"), ("no_answer", "没回音"), ("moved", "改过时间"), ("planned", "待邀约"), ("asked", "等确认"))  # fmt: skip
GROUPS_SHOWN = 6


def home_of(actor: Actor, action: str) -> OrgUnit:
    """Return the highest unit for which this actor may do something (access_matrix.yaml). Raises NotFound."""
    grants = actor.reach(*matrix.leaders(action))
    if any(grant.reach == "all" for grant in grants):
        return OrgUnit.objects.get(level=OrgUnit.Level.HQ)
    path = min((grant.path for grant in grants if grant.path), key=len, default=None)
    found = OrgUnit.objects.filter(path=path).first() if path else None
    if found is None:
        raise NotFound()
    return found


def _asked(request: HttpRequest) -> tuple[Asked, dict[str, str]]:
    """Read what is asked for, and the address of it. Raises NotFound for a unit or a person out of sight."""
    actor, get, now = access.actor_of(request), request.GET, clock.now()
    period = get.get("period", "") if get.get("period", "") in dict(queries.PERIODS) else "days30"
    kind = get.get("kind", "") if get.get("kind", "") in Kind.values else ""
    unit, guide = home_of(actor, FIGURES), None
    if pk := desk.number(get.get("unit")):
        found = OrgUnit.objects.filter(pk=pk, path__startswith=unit.path or "-").first()
        if found is None:
            raise NotFound()
        unit = found
    if pk := desk.number(get.get("guide")):
        guide = Staff.objects.visible_to(actor).filter(pk=pk).first()
        if guide is None:
            raise NotFound()
    start, end = queries.period_of(period, now=now)
    address = {"period": period, "kind": kind, "unit": str(unit.pk), "guide": str(guide.pk) if guide else ""}
    return Asked(start, end, unit, guide, kind), {name: value for name, value in address.items() if value}


@never_cache
@require_GET
@access.roles(*FIELD)
def board(request: HttpRequest) -> HttpResponse:
    """The chain on the phone: of a store, or the stores of an area."""
    return _board(request, "crm:visit-board")


@never_cache
@require_GET
@access.roles(*AT_HQ)
def hq_board(request: HttpRequest) -> HttpResponse:
    """The same for HQ and branches."""
    return _board(request, "crm:hq-visits")


def _board(request: HttpRequest, route: str) -> HttpResponse:
    actor = access.actor_of(request)
    asked, address = _asked(request)
    here = reverse(route)
    assert asked.unit is not None
    is_store = asked.unit.level == OrgUnit.Level.STORE
    rows: list[Chain] = []
    if asked.guide is None and is_store:
        rows = [_row(here, address, chain, guide.name if guide else "没有导购", guide=guide.pk if guide else "")
                for guide, chain in queries.by_guide(actor, asked)]  # fmt: skip
    elif asked.guide is None:
        rows = [_row(here, address, chain, unit.name, unit=unit.pk)
                for unit, chain in queries.by_unit(actor, asked, below=asked.unit)]  # fmt: skip
    kinds = [
        _row(here, address, chain, str(Kind(kind).label), kind=kind) for kind, chain in queries.by_kind(actor, asked)
    ]
    weeks = queries.by_week(actor, asked)
    may_ask = actor.has_role(*MAKERS)
    groups = VisitGroup.objects.visible_to(actor).select_related("unit", "made_by").order_by("-made_at", "-pk")
    facts = {
        "whole": queries.chain_of(actor, asked), "rows": rows, "kinds": kinds, "asked": asked, "address": address, "here": here,
        "periods": queries.PERIODS, "query": urlencode(address), "up": _up(actor, asked, address, here), "weeks": weeks,
        "series": [[chain.invited for _, chain in weeks], [chain.arrived for _, chain in weeks]],
        "labels": [f"{week.month}-{week.day}" for week, _ in weeks], "kind_names": Kind.choices, "may_ask": may_ask,
        "groups": list(groups[:GROUPS_SHOWN]) if may_ask else [], "may_read": actor.has_role(*matrix.holders("visit.read")),
        "list_url": reverse("crm:visit-behind" if route == "crm:visit-board" else "crm:hq-visit-behind"), **shell_facts(actor, "visits"),
    }  # fmt: skip
    return render(request, "visits/board.html" if facts["shell"] != "base/hq.html" else "visits/hq_board.html", facts)


def _row(here: str, address: dict[str, str], chain: Chain, name: str, **more: Any) -> Chain:
    narrowed = {**address, **{key: str(value) for key, value in more.items() if value}}
    return replace(chain, name=name, url=f"{here}?{urlencode(narrowed)}")


def _up(actor: Actor, asked: Asked, address: dict[str, str], here: str) -> str:
    """Return the address one step up, "" at the top."""
    if asked.guide is not None:
        return f"{here}?{urlencode({key: value for key, value in address.items() if key != 'guide'})}"
    if asked.unit is None or asked.unit == home_of(actor, FIGURES) or asked.unit.parent_id is None:
        return ""
    return f"{here}?{urlencode(address | {'unit': str(asked.unit.parent_id)})}"


@never_cache
@require_GET
@access.roles(*(role for role in FIELD if role in matrix.holders("visit.read")))
def behind(request: HttpRequest) -> HttpResponse:
    """The visits behind a number, on the phone."""
    return _behind(request)


@never_cache
@require_GET
@access.roles(*(role for role in AT_HQ if role in matrix.holders("visit.read")))
def hq_behind(request: HttpRequest) -> HttpResponse:
    """The same for HQ and branches."""
    return _behind(request)


def _behind(request: HttpRequest) -> HttpResponse:
    actor = access.actor_of(request)
    asked, address = _asked(request)
    if group := desk.number(request.GET.get("group")):
        asked = replace(asked, group_id=group, start=date(2000, 1, 1), end=date(9000, 1, 1))
    state = request.GET.get("state", "") if request.GET.get("state", "") in dict(STATE_NAMES) else ""
    rows, before = queries.behind(actor, asked, state=state, before=request.GET.get("before", "")[:64])
    audit.saw_members(actor, sorted({row.member_id for row in rows}), where="到店邀约名单")
    facts = {
        "rows": rows, "before": before, "state": state, "states": STATE_NAMES, "address": address, "may_open": actor.has_role("store_manager"),
        "title": dict(STATE_NAMES).get(state, "全部"), **shell_facts(actor, "visits"),
    }  # fmt: skip
    return render(request, "visits/behind_rows.html" if hx.is_htmx(request) else "visits/behind.html", facts)


def _today(request: HttpRequest) -> int | None:
    """How many are expected in the store today."""
    actor = access.actor_of(request)
    rows = Visit.objects.filter(store_id=actor.store_id or 0, day=clock.today(), state=Visit.State.ACCEPTED)
    return rows.count() or None


nav.add(
    "me",
    key="visits",
    label="到店邀约",
    icon="calendar-check",
    url="crm:visit-board",
    order=32,
    roles=FIELD,
    badge=_today,
)
nav.add("hq", key="visits", label="到店邀约", icon="calendar-check", url="crm:hq-visits", order=57, roles=AT_HQ)
