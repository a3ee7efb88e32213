"""班次和节假日 at HQ: which times stores may roster, and which days are no ordinary ones."""

from datetime import date, time
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from yejibao.core import access, clock, desk, nav
from yejibao.core.errors import DomainError, Invalid, NotFound

from .holiday_services import KEEPERS, is_arranged, set_holiday
from .models import Holiday, ShiftTime
from .services import set_shift_time


@never_cache
@require_GET
@access.roles(*KEEPERS)
def hours(request: HttpRequest) -> HttpResponse:
    """班次 and a year of 节假日."""
    return _page(request)


@require_POST
@access.roles(*KEEPERS)
def save_time(request: HttpRequest) -> HttpResponse:
    """Open a 班次, or change one: its name, times, place, and whether managers may still choose it."""
    actor, now, post = access.actor_of(request), clock.now(), request.POST
    pk = desk.chosen(post.get("pk"))
    row = ShiftTime.objects.filter(pk=pk).first() if pk else None
    if pk and row is None:
        raise NotFound()
    content = {
        name: post.get(name, "") for name in ("pk", "name", "short", "starts_at", "ends_at", "is_open", "reason")
    }

    def work() -> dict[str, Any]:
        saved = set_shift_time(
            row, name=post.get("name", ""), short=post.get("short", ""), starts_at=_time(post.get("starts_at", "")),
            ends_at=_time(post.get("ends_at", "")), is_open=post.get("is_open") == "1" or row is None,
            reason=post.get("reason", ""), actor=actor, now=now,
        )  # fmt: skip
        return {"said": f"{saved.name}存好了"}

    answer, refusal = desk.attempt(request, content, work)
    return (
        desk.done(request, answer["said"], reverse("guides:shift-hours"))
        if refusal is None
        else _page(request, refusal)
    )


@require_POST
@access.roles(*KEEPERS)
def save_holiday(request: HttpRequest) -> HttpResponse:
    """Say what a day is."""
    actor, now, post = access.actor_of(request), clock.now(), request.POST
    content = {name: post.get(name, "") for name in ("day", "kind", "name", "reason")}

    def work() -> dict[str, Any]:
        day = _day(post.get("day", ""))
        facts = {"kind": post.get("kind", ""), "name": post.get("name", ""), "reason": post.get("reason", "")}
        set_holiday(day, **facts, actor=actor, now=now)
        return {"said": f"{day:%Y-%m-%d} 改好了", "year": day.year}

    answer, refusal = desk.attempt(request, content, work)
    if refusal is not None:
        return _page(request, refusal)
    return desk.done(request, answer["said"], f"{reverse('guides:shift-hours')}?year={answer['year']}#holidays")


def _page(request: HttpRequest, refusal: DomainError | None = None) -> HttpResponse:
    this = clock.today().year
    text = request.GET.get("year", "")
    year = int(text) if text.isascii() and text.isdecimal() and abs(int(text[:6]) - this) <= 2 else this
    facts = {
        "times": ShiftTime.objects.order_by("-is_open", "place", "pk"), "year": year, "years": [this, this + 1],
        "holidays": Holiday.objects.filter(day__year=year).order_by("day"), "kinds": Holiday.Kind.choices,
        "is_arranged": is_arranged(year), "refusal": desk.sentence(refusal) if refusal else "", "post": request.POST,
        "nav_current": "shift-hours",
    }  # fmt: skip
    return render(request, "attendance/hours.html", facts, status=refusal.status if refusal else 200)


def _time(text: str) -> time:
    found = desk.hour(text)
    if found is None:
        raise Invalid("选一下几点到几点")
    return found


def _day(text: str) -> date:
    found = desk.day(text)
    if found is None:
        raise Invalid("选一下哪一天")
    return found


nav.add(
    "hq", key="shift-hours", label="班次和节假日", icon="calendar-days", url="guides:shift-hours", order=74,
    group="组织与权限", roles=KEEPERS,
)  # fmt: skip
