"""考勤 for whoever leads: a store's day by person, any unit's day in numbers, and the word on corrections."""

from datetime import date, datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from guides.approvals import services as approvals
from guides.org.models import OrgUnit, Store
from guides.org.pages import shell_of
from yejibao.core import access, clock, desk, files, hx, nav
from yejibao.core.errors import NotFound
from yejibao.core.scope import Actor

from . import queries
from .corrections import ROOM
from .exporting import KEY
from .flags import WORDS
from .models import ClockCorrection
from .scoped import BOARD, placed_stores

FARTHEST = timedelta(days=366)
PAGE = "guides:attendance"


@never_cache
@require_GET
@access.roles(*BOARD)
def board(request: HttpRequest) -> HttpResponse:
    """The day of a store or of what is above it. `unit` and `day` are in the address."""
    actor, now = access.actor_of(request), clock.now()
    today = clock.local_day(now)
    day = _day(request.GET.get("day", ""), today)
    unit = _open_unit(actor, request.GET.get("unit", ""))
    return render(request, "clockin/board.html", _facts(actor, unit, day, now))


def _facts(actor: Actor, unit: OrgUnit, day: date, now: datetime) -> dict[str, Any]:
    today = clock.local_day(now)
    store = Store.objects.filter(unit=unit).first()
    facts: dict[str, Any] = {
        "unit": unit, "store": store, "day": day, "today": today, "before": day - timedelta(days=1),
        "after": day + timedelta(days=1) if day < today else None, "flag_words": WORDS, "export_key": KEY, "now": now,
        "way": _way(actor, unit), "shell": shell_of(actor), "nav_current": "attendance", "title": store.short_name if store else unit.name,
        "may_place": Store.objects.filter(placed_stores(actor), unit__path__startswith=unit.path or "-").exists(),
    }  # fmt: skip
    if store is None or not queries.is_named(actor, store):
        seen = queries.board(actor, unit, day)
        facts |= {"board": seen, "total": seen.total, "odd": queries.odd_days(actor, store, day) if store else []}
    else:
        lines = queries.store_day(store, day, now=now)
        waiting = queries.waiting_corrections(actor, Store.objects.filter(pk=store.pk))
        facts |= {
            "lines": lines, "counts": _counts(lines), "waiting": waiting, "labels": queries.LABELS,
            "photos": files.of(ROOM, [row.pk for row in waiting]), "place": queries.places_of(Store.objects.filter(pk=store.pk))[0],
        }  # fmt: skip
    return facts


def _counts(lines: list[queries.Line]) -> dict[str, int]:
    found = {name: sum(line.state == name for line in lines) for name in queries.ORDER}
    return found | {
        "due": sum(line.plan.is_work or line.record is not None for line in lines),
        "there": found["here"] + found["late"], "away": found["leave"] + found["rest"],
    }  # fmt: skip


def _open_unit(actor: Actor, text: str) -> OrgUnit:
    """Return the unit that is asked for, else the highest this person sees. Raises NotFound."""
    mine = queries.units_of(actor)
    if text:
        found = mine.filter(pk=int(text)).first() if text.isdecimal() and len(text) <= 18 else None
    else:
        found = mine.filter(store__pk=actor.store_id or 0).first() if actor.working_role == "store_manager" else None
        found = found or min(mine, key=lambda unit: ((unit.path or "").count("/"), unit.pk), default=None)
    if found is None:
        raise NotFound()
    return found


def _way(actor: Actor, unit: OrgUnit) -> list[OrgUnit]:
    """Return the units above that this person may open, from the top."""
    above = [int(part) for part in (unit.path or "").split("/") if part][:-1]
    return sorted(queries.units_of(actor).filter(pk__in=above), key=lambda one: (one.path or "").count("/"))


def _day(text: str, today: date) -> date:
    day = desk.day(text)
    return day if day is not None and today - FARTHEST <= day <= today else today


@require_POST
@access.roles("store_manager", "area_supervisor", "region_manager")
def decide(request: HttpRequest, pk: int) -> HttpResponse:
    """同意 or 不同意 a correction, by the one approval room; then the day again."""
    actor, now = access.actor_of(request), clock.now()
    row = ClockCorrection.objects.visible_to(actor).with_people().filter(pk=pk).first()
    if row is None or row.approval is None:
        raise NotFound()
    if request.POST.get("approve") == "1":
        approvals.approve(row.approval, actor=actor, now=now, answer=request.POST.get("answer", ""))
        said = f"{row.staff.name}的卡补上了"
    else:
        approvals.refuse(row.approval, actor=actor, now=now, answer=request.POST.get("answer", ""))
        said = f"没同意{row.staff.name}补卡，他会看到原因"
    hx.flash(request, said)
    address = f"{reverse(PAGE)}?unit={row.store.unit_id}&day={row.day}"
    return hx.redirect(address) if hx.is_htmx(request) else HttpResponseRedirect(address)


nav.add("tools", key="attendance", label="考勤", icon="calendar-check", url=PAGE, order=12, roles=BOARD)
nav.add("hq", key="attendance", label="考勤", icon="calendar-check", url=PAGE, order=64, roles=BOARD)
