"""Who is behind a field of the board: the list of names, with what may be done about them."""

from datetime import datetime, time, timedelta

from django.db.models import Exists, OuterRef, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from guides.org.models import OrgUnit, Staff, Store
from tasks.followups import hours
from tasks.followups.models import Task
from yejibao.core import access, audit, clock, hx, words
from yejibao.core.errors import Forbidden, NotFound
from yejibao.core.scope import Actor

from . import queries
from .drawing import number_of, query_of
from .periods import read_period
from .queries.drill import TABS
from .scoped import NAME_ROLES, VIEW, covers, own_kind

NEW_DUES = (time(20, 0), time(12, 0))  # proposals for a new due time: this evening, tomorrow noon and evening


@never_cache
@require_GET
@access.permission(VIEW)
def names(request: HttpRequest) -> HttpResponse:
    """Who is behind a field. A sheet on the phone, the column beside the map on a wide screen, else a page."""
    return names_answer(request, request.GET.dict())


def store_of(actor: Actor, unit_id: int | None) -> Store:
    unit = queries.open_unit(actor, unit_id)
    if unit.level != OrgUnit.Level.STORE:
        raise NotFound()
    if not covers(actor, NAME_ROLES, unit) or own_kind(actor, unit):
        raise Forbidden("这里只看数字，名单由店长和督导看", permission="followup.read")
    unit.store.unit = unit
    return unit.store


def _guide_of(store: Store, guide_id: int | None) -> Staff | None:
    if guide_id is None:
        return None
    theirs = Exists(Task.objects.filter(assignee=OuterRef("pk"), store=store))
    guide = Staff.objects.filter(Q(store=store) | theirs, pk=guide_id).first()
    if guide is None:
        raise NotFound()
    return guide


def names_answer(request: HttpRequest, asked: dict[str, str]) -> HttpResponse:
    actor, now = access.actor_of(request), clock.now()
    period = read_period(asked, today=clock.local_day(now))
    store = store_of(actor, number_of(asked.get("unit")))
    guide = _guide_of(store, number_of(asked.get("guide")))
    task_type = asked.get("type", "")[:32]
    drill = queries.drill_of(actor, store, guide=guide, task_type=task_type, period=period, now=now)
    tab = asked.get("tab", "")
    if tab not in TABS:
        tab = next((key for key in ("late", "todo", "done") if drill.lists[key]), "late")
    audit.saw_members(actor, sorted({one.member_id for one in drill.lists[tab]}), where="任务复盘名单")
    facts = {"unit": store.unit_id, "guide": guide.pk if guide else None, "type": task_type}
    can_pick = tab in ("late", "todo") and bool(drill.lists[tab]) and (drill.can_urge or drill.can_move)
    context = {
        "drill": drill, "store": store, "guide": guide, "now": now, "tab": tab, "shown": drill.lists[tab], "can_pick": can_pick,
        "title": f"{guide.name if guide else store.short_name} · {drill.step_name}",
        "tabs": [
            {"key": key, "name": name, "count": len(drill.lists[key]), "is_on": key == tab,
             "href": reverse("tasks:review-names") + query_of(period, **facts, tab=key)}
            for key, name in TABS.items() if drill.lists[key] or key in ("late", "todo", "done")
        ],
        "fields": {**facts, "tab": tab, "period": "" if period.key == "range" else period.key,
                   "from": period.start if period.key == "range" else "", "to": period.end if period.key == "range" else ""},
        "colleagues": drill.colleagues[:12], "backup_id": guide.backup_guide_id if guide else None,
        "new_dues": _new_dues(store, now), "first_due": _local_text(now), "opens": store.opens_at, "closes": store.closes_at,
        "opens_tasks": _opens_tasks(actor, store), "whose": _pronoun(guide),
        "back": reverse("tasks:review") + query_of(period, unit=store.unit_id), "nav_current": "review",
    }  # fmt: skip
    if hx.is_htmx(request):
        return render(request, "review/names.html", context)
    return render(request, "review/names_page.html", context)


def _pronoun(guide: Staff | None) -> str:
    return guide.name if guide else "各自"


def _opens_tasks(actor: Actor, store: Store) -> bool:
    return covers(actor, ("store_manager",), store.unit)


def _local_text(moment: datetime) -> str:
    return moment.astimezone(clock.SHANGHAI).strftime("%Y-%m-%dT%H:%M")


def _new_dues(store: Store, now: datetime) -> list[dict[str, str]]:
    """Return proposals for a new due time inside the store's hours."""
    today = clock.local_day(now)
    evening, noon = NEW_DUES
    wishes = [(today, evening), (today + timedelta(days=1), noon), (today + timedelta(days=1), evening)]
    found = []
    for day, at in wishes:
        moment = clock.local_moment(day, at)
        if moment > now + timedelta(minutes=30) and hours.is_open(store, moment):
            found.append({"value": _local_text(moment), "name": words.short_moment(moment, now)})
    return found
