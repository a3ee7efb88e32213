"""今日: the list a guide works down, its panels, and its place in the bars with the number of what is open."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from guides.org.pages import shell_of
from yejibao.core import access, clock, hx, nav
from yejibao.core.panels import panel
from yejibao.core.panels import render as render_panels

from .cards import Look, draw_cards, draw_lines
from .queries import day_of, open_count, own_sales

guides_only = access.roles("guide", "store_manager")


def _staff_id(request: HttpRequest) -> int:
    return access.actor_of(request).staff_id or 0


@never_cache
@require_GET
@guides_only
def today(request: HttpRequest) -> HttpResponse:
    """The guide's first page: a shell, other rooms hang their panels on it."""
    panels = render_panels("today", request, now=clock.now())
    facts: dict[str, object] = {"panels": panels, "nav_current": "today", "shell": shell_of(access.actor_of(request))}
    facts["has_token"] = settings.CSRF_COOKIE_NAME in request.COOKIES  # hiding it anew costs more than a card
    return render(request, "tasks/today.html", facts)


@never_cache
@require_GET
@guides_only
def today_list(request: HttpRequest) -> HttpResponse:
    """The list alone, as it refreshes itself each minute."""
    if not hx.is_htmx(request):
        return redirect("tasks:today")
    return render(request, "tasks/today_list.html", _list_facts(request, clock.now()))


@panel("today", order=20, name="sales")
def sales_panel(request: HttpRequest, *, now: datetime, **_: Any) -> tuple[str, dict[str, Any]]:
    """本月业绩: what the orders say; targets come with their own issue."""
    sales = own_sales(_staff_id(request), store_id=access.actor_of(request).store_id, now=now)
    days = [fen / 100 for fen in sales.by_day]
    return "tasks/sales.html", {"sales": sales, "days": days if len(days) > 2 and any(days) else []}


@panel("today", order=30, name="tasks")
def task_panel(request: HttpRequest, *, now: datetime, **_: Any) -> tuple[str, dict[str, Any]]:
    """今日任务, by section."""
    return "tasks/today_list.html", _list_facts(request, now)


def _list_facts(request: HttpRequest, now: datetime) -> dict[str, Any]:
    kind = request.GET.get("kind", "")[:32]
    day = day_of(_staff_id(request), now=now, kind=kind)
    request.open_task_count = day.open_count  # type: ignore[attr-defined]
    look = Look(now=now, is_quiet=day.is_quiet(now), opens=day.opens_at.strftime("%H:%M") if day.opens_at else "")
    return {
        "day": day,
        "now": now,
        "is_quiet": look.is_quiet,
        "opens": look.opens,
        "by_kind": bool(kind) or request.GET.get("by") == "kind",
        "query": request.GET.urlencode(),
        "sections": [
            {"key": one.key, "name": one.name, "count": len(one.cards), "drawn": draw_cards(one.cards, look)}
            for one in day.sections
            if one.cards
        ],
        "later": draw_lines(day.later, look),
        "done": draw_lines(day.done, look),
        "expired": draw_lines(day.expired, look),
    }


def _badge(request: HttpRequest) -> int | None:
    known: int | None = getattr(request, "open_task_count", None)
    if known is None and access.actor_of(request).staff_id:
        known = open_count(_staff_id(request), now=clock.now())
    return known or None


nav.add("guide", key="today", label="今日", icon="list-checks", url="tasks:today", order=10, badge=_badge)
nav.add("sidebar", key="today", label="今日", icon="list-checks", url="tasks:today", order=50)
nav.add(
    "manager", key="today", label="今日", icon="circle-check", url="tasks:today", order=5, badge=_badge,
    roles=("store_manager",),
)  # fmt: skip
