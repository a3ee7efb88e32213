"""The month's plan on the phone, and who was where on HQ's screen."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from guides.org import matrix
from guides.org.models import Store
from yejibao.core import access, clock, desk, hx, limits, nav
from yejibao.core.errors import Invalid, NotFound

from .models import PlannedVisit
from .pages import around
from .queries import Covered, coverage, department_name, month_of, plan_of_month, stores_in_plan
from .scoped import READ, own_departments, stores_to_read
from .services import drop_planned, plan_visits

PAGE = 50
PLAN_BY_DAY = 25  # of the month before


@never_cache
@require_GET
@access.permission("patrol.do")
def plan(request: HttpRequest) -> HttpResponse:
    """One's own month: the days with their stores, and the stores of one's reach that still want a visit."""
    actor, today = access.actor_of(request), clock.today()
    first = _month(request.GET.get("month", ""), today)
    mine = own_departments(actor)
    q = request.GET.get("q", "").strip()[:32]
    found = stores_in_plan(actor)
    if q:
        found = found.filter(short_name__icontains=q) | found.filter(code__istartswith=q) | found.filter(city=q)
    rows = coverage(list(found[:200]), first=first, actor=actor, today=today, department=mine[0] if mine else "")
    rows.sort(key=_wanting)
    days = plan_of_month(actor, first=first)
    facts = {
        "first": first, "before": month_of(first - timedelta(days=1))[0], "after": month_of(first)[1],
        "days": sorted(days.items()), "rows": rows[:60], "q": q, "today": today, "count": len(rows),
        "covered": sum(row.is_covered for row in rows), "planned": sum(bool(row.planned) for row in rows),
        "least": max(today, first), "most": min(today + timedelta(days=100), month_of(first)[1] - timedelta(days=1)),
        "department_name": department_name(mine[0]) if mine else "",
        "is_due": first > today and today.day >= PLAN_BY_DAY - 5 and not days, "by_day": PLAN_BY_DAY,
        "may_whole": bool(mine),
    }  # fmt: skip
    return render(request, "patrol/plan.html", facts | around(actor))


@require_POST
@access.permission("patrol.do")
def add(request: HttpRequest) -> HttpResponse:
    """Plan visits of a day."""
    actor, now = access.actor_of(request), clock.now()
    day = desk.day(request.POST.get("day", ""))
    ids = [int(pk) for pk in request.POST.getlist("store") if pk.isdigit()]
    if day is None or not ids:
        raise Invalid("选好日期和门店再排")
    rows = plan_visits(
        ids, day=day, is_full=bool(request.POST.get("full")), note=request.POST.get("note", ""), actor=actor, now=now
    )
    hx.flash(request, f"{day.month} 月 {day.day} 日排了 {len(rows)} 家店" if rows else "这几家已经在计划里了")
    return HttpResponseRedirect(f"{reverse('guides:patrol-plan')}?month={day:%Y-%m}")


@require_POST
@access.permission("patrol.do")
def drop(request: HttpRequest, pk: int) -> HttpResponse:
    """Take one's own plan back."""
    actor = access.actor_of(request)
    row = PlannedVisit.objects.visible_to(actor).filter(pk=pk).select_related("store").first()
    if row is None:
        raise NotFound()
    drop_planned(row, actor=actor, now=clock.now())
    hx.flash(request, f"{row.store.short_name}从计划里拿掉了")
    return HttpResponseRedirect(f"{reverse('guides:patrol-plan')}?month={row.day:%Y-%m}")


@never_cache
@require_GET
@limits.by("search", given="q")
@access.roles(*matrix.leaders(READ), *matrix.leaders(READ, "own_kind"))
def board(request: HttpRequest) -> HttpResponse:
    """巡店计划与覆盖: store by store, who was there this month and who will be; paged by store."""
    actor, today = access.actor_of(request), clock.today()
    first = _month(request.GET.get("month", ""), today)
    mine = own_departments(actor)
    q, after = request.GET.get("q", "").strip()[:32], request.GET.get("after", "")[:32]
    found = Store.objects.filter(stores_to_read(actor), closed_on=None).select_related("unit__parent").order_by("code")
    if q:
        found = found.filter(short_name__icontains=q) | found.filter(code__istartswith=q) | found.filter(city=q)
    page = list((found.filter(code__gt=after) if after else found)[: PAGE + 1])
    rows = coverage(page[:PAGE], first=first, actor=actor, today=today)
    for visit in (visit for row in rows for visit in row.visits):  # a department reads what looked at its items
        visit.may_read = not mine or visit.department in ("", *mine)  # type: ignore[attr-defined]
    facts: dict[str, Any] = {
        "rows": rows, "first": first, "before": month_of(first - timedelta(days=1))[0], "after": month_of(first)[1], "q": q,
        "today": today, "next_after": page[PAGE - 1].code if len(page) > PAGE else "", "is_first": not after,
        "department_name": department_name(mine[0]) if mine else "", "nav_current": "patrol-coverage",
        "may_do": actor.may("patrol.do"),
    }  # fmt: skip
    return render(request, "patrol/coverage.html", facts)


def _wanting(row: Covered) -> tuple[bool, bool, int, str]:
    """Not visited and not planned first, the longest without anybody before the others."""
    since = row.days_since
    return row.is_covered, bool(row.planned), -(since if since is not None else 9999), row.store.code


def _month(text: str, today: date) -> date:
    day = desk.day(f"{text}-01") or today
    return month_of(day if abs((day - today).days) < 800 else today)[0]


nav.add(
    "hq", key="patrol-coverage", label="巡店计划", icon="clipboard-check", url="guides:patrol-coverage", order=70,
    roles=(*matrix.leaders(READ), *matrix.leaders(READ, "own_kind")),
)  # fmt: skip
