"""巡店 on the phone: the first page, the store with its data before one goes in, and the tap that begins."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from guides.attendance.clockin import nonces
from guides.attendance.clockin.fencing import Fix
from guides.org import matrix
from guides.org.models import Staff, Store
from guides.org.pages import shell_of
from yejibao.core import access, clock, idempotency, limits, nav, panels
from yejibao.core.errors import Invalid, NotFound
from yejibao.core.scope import Actor

from . import preparing
from .book import book
from .models import PlannedVisit, Visit
from .queries import coverage, department_name, month_of, stores_for_self, stores_in_plan
from .scoped import DO, READ, SELF, own_departments
from .services import Arrival, start_visit

PAGE = 20
SLOT_HOME = "patrol.home"
DOERS = tuple(dict.fromkeys((*matrix.holders(DO), *matrix.holders(SELF))))


@never_cache
@require_GET
@access.roles(*matrix.holders(READ))
def home(request: HttpRequest) -> HttpResponse:
    """巡店: what is under way, whom one means to visit, and the newest visits within reach."""
    actor, today = access.actor_of(request), clock.today()
    before = request.GET.get("before", "")
    kind = request.GET.get("kind", "") or ("self" if actor.working_role == "guide" else "hq")
    rows = Visit.objects.visible_to(actor).filter(state=Visit.State.SUBMITTED).with_people()
    # A store's own rounds are shown apart (patrol_kinds.self).
    rows = rows.filter(kind=Visit.Kind.SELF) if kind == "self" else rows.exclude(kind=Visit.Kind.SELF)
    if before.isdigit():
        last = Visit.objects.visible_to(actor).filter(pk=int(before), submitted_at__isnull=False).first()
        if last is None or last.submitted_at is None:
            raise NotFound()
        rows = rows.filter(submitted_at__lte=last.submitted_at).exclude(submitted_at=last.submitted_at, pk__gte=last.pk)
    found = list(rows.order_by("-submitted_at", "-pk")[: PAGE + 1])
    facts: dict[str, Any] = {
        "visits": found[:PAGE],
        "next_url": f"{request.path}?kind={kind}&before={found[PAGE - 1].pk}" if len(found) > PAGE else "",
        "kind": kind,
    }
    if before:
        return render(request, "patrol/visit_rows.html", facts)
    mine = Visit.objects.filter(patroller_id=actor.staff_id, state=Visit.State.DRAFT).select_related("store")
    planned = PlannedVisit.objects.filter(
        patroller_id=actor.staff_id, dropped_at=None, day__gte=today, day__lt=today + timedelta(days=7)
    ).exclude(visits__state=Visit.State.SUBMITTED)
    facts |= {
        "open": list(mine.order_by("-started_at")[:5]),
        "planned": list(planned.select_related("store").order_by("day", "store__code")[:12]),
        "may_do": actor.may("patrol.do"),
        "own_stores": list(stores_for_self(actor)[:5]) if actor.may("patrol.self") else [],
        "panels": panels.render(SLOT_HOME, request),
        "today": today,
    }
    return render(request, "patrol/home.html", facts | around(actor))


@never_cache
@require_GET
@limits.by("search", given="q")
@access.permission("patrol.do")
def stores(request: HttpRequest) -> HttpResponse:
    """Choose a store to patrol: those nobody was in for long first."""
    actor, today = access.actor_of(request), clock.today()
    q = request.GET.get("q", "").strip()[:32]
    found = stores_in_plan(actor)
    if q:
        found = found.filter(short_name__icontains=q) | found.filter(code__istartswith=q) | found.filter(city=q)
    rows = coverage(list(found[:60]), first=month_of(today)[0], actor=actor, today=today)
    rows.sort(key=lambda row: (not row.planned, -(row.days_since if row.days_since is not None else 9999)))
    return render(request, "patrol/stores.html", {"rows": rows[:40], "q": q} | around(actor))


@never_cache
@require_GET
@access.roles(*DOERS)
def store(request: HttpRequest, pk: int) -> HttpResponse:
    """数据准备: what one reads of a store before one goes in, by department; and the button that begins."""
    actor = access.actor_of(request)
    found = _store(actor, pk)
    kinds = kinds_at(actor, found)
    mine = own_departments(actor)
    asked = request.GET.get("for", "")
    readable = mine or [key for key, facts in book()["departments"].items() if facts["prep_data"] != "none"]
    department = asked if asked in readable else (mine[0] if mine else "")
    names = book()["prep_data_blocks"]
    blocks = [
        {"key": key, "name": names[key]["name"], "html": _block(key, request, store=found, department=department)}
        for key in _blocks(department)
    ]
    facts = {
        "store": found, "kinds": kinds, "blocks": blocks, "department": department, "department_name": department_name(department),
        "departments": [{"key": key, "name": department_name(key)} for key in readable] if len(readable) > 1 else [],
        "open": Visit.objects.filter(patroller_id=actor.staff_id, store=found, state=Visit.State.DRAFT).first(),
        "others": _others(found, actor),
        "is_whole_only": bool(mine) and not any(_has_items(key) for key in mine),
        "check_radius": book()["check_in"]["geo_radius_m"],
    }  # fmt: skip
    return render(request, "patrol/store.html", facts | around(actor))


@never_cache
@require_GET
@access.roles(*DOERS)
def nonce(request: HttpRequest) -> JsonResponse:
    """A number for one tap that tells where the phone is."""
    actor = access.actor_of(request)
    assert actor.staff_id is not None
    return JsonResponse({"nonce": nonces.issue(staff_id=actor.staff_id, session_key=request.session.session_key or "")})


@require_POST
@access.roles(*DOERS)
def start(request: HttpRequest, pk: int) -> JsonResponse:
    """Begin a patrol at a store; answers where it goes on."""
    actor, now = access.actor_of(request), clock.now()
    found, said = _store(actor, pk), body_of(request)

    def work() -> dict[str, Any]:
        visit, is_new = start_visit(
            found,
            kind=str(said.get("kind", "")),
            is_full=bool(said.get("full")),
            arrival=arrival_of(said),
            actor=actor,
            now=now,
        )
        return {"url": reverse("guides:patrol-visit", args=[visit.public_id]), "is_new": is_new}

    return JsonResponse(spent(request, said, work))


# ---------------------------------------------------------------- shared with the visit's page


def around(actor: Actor) -> dict[str, Any]:
    """Return what every page of the room has: its shell and the place in it."""
    shell = shell_of(actor)
    return {
        "shell": "base/manager.html" if shell == "base/hq.html" else shell,
        "nav_current": "patrol",
        "now": clock.now(),
    }


def body_of(request: HttpRequest) -> dict[str, Any]:
    """Return the JSON object of a request. Raises Invalid."""
    try:
        said = json.loads(request.body or b"{}")
    except ValueError:
        raise Invalid("内容没看懂") from None
    if not isinstance(said, dict):
        raise Invalid("内容没看懂")
    return said


def arrival_of(said: dict[str, Any]) -> Arrival:
    """Return how somebody shows that he is there. Raises Invalid."""
    fix, told = None, said.get("fix")
    try:
        if isinstance(told, dict):
            fix = Fix(
                float(told["latitude"]), float(told["longitude"]), str(told.get("datum") or "wgs84"),
                float(told.get("accuracy") or 0), float(told.get("age") or 0),
            )  # fmt: skip
            fix.point  # noqa: B018  a datum nobody knows is no place
        photo = UUID(str(said["photo"])) if said.get("photo") else None
    except (KeyError, TypeError, ValueError):
        raise Invalid("位置没看懂，再点一次") from None
    return Arrival(fix=fix, reason=str(said.get("reason") or ""), photo=photo)


def spent(request: HttpRequest, said: dict[str, Any], work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Run what a tap asks for; a place counts under its number of the server, once. Raises NonceSpent or the refusal."""
    actor, key = access.actor_of(request), ""
    if said.get("fix"):
        session = request.session.session_key or ""
        key = nonces.key_of(str(said.get("nonce", "")), staff_id=actor.staff_id or 0, session_key=session)
    answer, _replayed = idempotency.once(request, said, work, key=key)
    return answer


def kinds_at(actor: Actor, store: Store) -> list[str]:
    """Return as what somebody may patrol a store: hq, supervisor, self."""
    found = []
    if actor.may("patrol.do") and stores_in_plan(actor).filter(pk=store.pk).exists():
        found += [
            kind for kind in ("hq", "supervisor") if any(actor.has_role(r) for r in book()["patrol_kinds"][kind]["by"])
        ]
    if actor.may("patrol.self") and stores_for_self(actor).filter(pk=store.pk).exists():
        found.append("self")
    return found


def _store(actor: Actor, pk: int) -> Store:
    found = (stores_in_plan(actor) | stores_for_self(actor).select_related("unit")).filter(pk=pk).first()
    if found is None:
        raise NotFound()
    return found


def _others(store: Store, actor: Actor) -> list[str]:
    """Return who else means to come today; of somebody whose name is not his to see, what he comes as."""
    rows = PlannedVisit.objects.filter(store=store, day=clock.today(), dropped_at=None).exclude(
        patroller_id=actor.staff_id
    )
    names = dict(
        Staff.objects.visible_to(actor)
        .filter(pk__in=rows.values("patroller_id"))
        .values_list("pk", "name")
        .order_by("pk")
    )
    return [
        names.get(person) or department_name(department) or "督导"
        for person, department in rows.order_by("pk").values_list("patroller_id", "department")
    ]


def _blocks(department: str) -> list[str]:
    """Return what a department reads before it goes; of who goes for all of them, everything."""
    wanted = book()["departments"][department]["prep_data"] if department else list(book()["prep_data_blocks"])
    return ["last_patrol"] if wanted == "none" else list(wanted)


def _has_items(department: str) -> bool:
    return any(item["department"] == department for item in book()["items"])


def _block(key: str, request: HttpRequest, **facts: Any) -> str:
    try:
        return panels.render_one(preparing.SLOT, key, request, **facts)
    except KeyError:  # no room hangs it yet
        return ""


nav.add(
    "manager",
    key="patrol",
    label="巡店",
    icon="clipboard-check",
    url="guides:patrol",
    order=40,
    roles=matrix.holders(READ),
)
nav.add(
    "tools",
    key="patrol-self",
    label="自主巡店",
    icon="clipboard-check",
    url="guides:patrol",
    order=60,
    roles=("guide",),
)
