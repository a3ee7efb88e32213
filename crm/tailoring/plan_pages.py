"""量体时段: when a store measures, and how many at once; a day that is different. Its manager's."""

from __future__ import annotations

from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from guides.org.models import Store
from guides.org.pages import shell_facts
from yejibao.core import access, clock, desk
from yejibao.core.errors import DomainError, NotFound
from yejibao.core.scope import Actor

from . import queries, services
from .forms import read_day
from .models import FittingDay
from .scoped import PLAN, stores_of
from .services.planning import MINUTES
from .slot_pages import chosen_store

DAYS_SHOWN = 14


@never_cache
@require_http_methods(["GET", "POST"])
@access.roles("store_manager")
def plan(request: HttpRequest) -> HttpResponse:
    """量体时段: when the store measures and how many at once; a day that is different."""
    actor, now = access.actor_of(request), clock.now()
    stores = list(Store.objects.filter(stores_of(actor, PLAN)).order_by("code")[:20])
    if not stores:
        raise NotFound()
    store = chosen_store(request, stores)
    refusal: DomainError | None = None
    if request.method == "POST":
        given = request.POST
        content = {
            name: given.get(name, "")
            for name in ("do", "store", "slot_minutes", "capacity", "first_at", "last_at", "day", "why", "is_offered")
        }
        answer, refusal = desk.attempt(request, content, lambda: {"said": _save(store, content, actor)})
        if refusal is None:
            return desk.done(request, answer["said"], f"{reverse('crm:fitting-plan')}?store={store.pk}")
    today = clock.local_day(now)
    hours = queries.plan_of(store)
    special = {
        row.day: row
        for row in FittingDay.objects.filter(store=store, day__gte=today, day__lt=today + timedelta(days=60))
    }
    counts = queries.counts_by_day(store, start=today, days=DAYS_SHOWN)
    days = [
        (day, special.get(day), counts.get(day, 0))
        for day in (today + timedelta(days=number) for number in range(DAYS_SHOWN))
    ]
    facts = {
        "stores": stores, "store": store, "hours": hours, "days": days, "refusal": refusal, "given": request.POST, "today": today,
        "minutes": MINUTES, "far": [row for day, row in sorted(special.items()) if day >= today + timedelta(days=DAYS_SHOWN)],
        "wrong": {one["field"]: one["message"] for one in refusal.errors} if refusal else {}, **shell_facts(actor, "service"),
    }  # fmt: skip
    return render(request, "fittings/plan.html", facts, status=refusal.status if refusal else 200)


def _save(store: Store, given: dict[str, str], actor: Actor) -> str:
    now = clock.now()
    if given["do"] == "day":
        capacity = None if given["capacity"] == "" else desk.chosen(given["capacity"])
        day = read_day(given["day"], name="day")
        services.save_day(store, day=day, capacity=capacity, why=given["why"], actor=actor, now=now)
        return f"{day.month} 月 {day.day} 日" + (
            "照平常" if capacity is None else "不约量体" if capacity == 0 else f"同时 {capacity} 位"
        )
    hours = queries.plan_of(store)
    services.save_plan(
        store, is_offered=given["is_offered"] == "1", slot_minutes=desk.chosen(given["slot_minutes"]), capacity=desk.chosen(given["capacity"]),
        first_at=desk.hour(given["first_at"]) or hours.first_at, last_at=desk.hour(given["last_at"]) or hours.last_at,
        actor=actor, now=now,
    )  # fmt: skip
    return "量体时段改好了，已经约好的不变"
