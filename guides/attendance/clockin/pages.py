"""打卡 on the guide's phone: the button, her week and month, and asking for a correction."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from guides.approvals import services as approvals
from guides.attendance.calendar import ONE_DAY, Day
from guides.org.models import Staff
from guides.org.pages import shell_of
from yejibao.core import access, clock, desk, files, hx, idempotency, nav
from yejibao.core.errors import DomainError, Invalid, NotFound
from yejibao.core.panels import panel
from yejibao.core.panels import render as render_panels
from yejibao.core.scope import Actor
from yejibao.core.words import clock_time

from . import rules, services
from .corrections import ROOM, ask_correction, days_open
from .judging import ROLES, late_minutes
from .models import ClockCorrection, ClockPunch, ClockRecord, Side
from .nonces import stood_of
from .queries import Cell, days_of_person, tally

WEEK = timedelta(days=7)
MONTHS_BACK = 12
LINE_FROM, LINE_UNTIL = time(8, 30), time(12, 0)  # when 今日 asks whether she has clocked in


@dataclass(frozen=True)
class Button:
    """The one button: what a press would do now, and what it says below."""

    side: str
    state: str  # early, open, late, in, off
    words: str
    note: str


def _button(plan: Day, record: ClockRecord | None, day: date, now: datetime) -> Button:
    if record is not None and record.in_at is not None:
        note = f"{clock_time(record.out_at)} 打过，再打以后一次为准" if record.out_at else "走的时候点一下"
        return Button(Side.OUT, "in", "下班打卡", note)
    if plan.starts_at is None:
        return Button(Side.IN, "off", "上班打卡", "今天不用上班，来了也可以打")
    opens, starts = services.opens_at(plan, day, now), clock.local_moment(day, plan.starts_at)
    if opens is not None and now < opens:
        return Button(Side.IN, "early", "上班打卡", f"{clock_time(opens)} 起可以打")
    late = late_minutes(now, starts)
    if late > rules.GRACE.at(now):
        return Button(Side.IN, "late", "上班打卡", f"晚了 {late} 分钟")
    early = int((starts - now).total_seconds() // 60)
    return Button(Side.IN, "open", "上班打卡", f"早到 {early} 分钟" if early > 0 else "正好到点")


def _me(request: HttpRequest) -> Staff:
    actor = access.actor_of(request)
    return Staff.objects.select_related("store").get(pk=actor.staff_id)


def _shell(actor: Actor) -> dict[str, Any]:
    return {"shell": shell_of(actor), "nav_current": "me" if actor.working_role != "guide" else "today"}


@never_cache
@require_GET
@access.roles(*ROLES)
def clock_page(request: HttpRequest) -> HttpResponse:
    """打卡: one big button; then the first minutes of work, which other rooms hang here."""
    actor, now = access.actor_of(request), clock.now()
    person, day = _me(request), clock.local_day(now)
    monday = day - timedelta(days=day.weekday())
    cells = days_of_person(person, monday, monday + WEEK, today=day)
    today: Cell = cells[day.weekday()]
    punches = ClockPunch.objects.filter(staff=person, day=day, counts=True).defer("place").order_by("at", "pk")
    facts = {
        "cells": cells, "tally": tally(cells), "today": today, "plan": today.plan, "record": today.record, "person": person,
        "button": _button(today.plan, today.record, day, now), "has_consent": services.consent_of(person.pk) is not None,
        "punch": next((one for one in punches if one.side == Side.IN), None),
        "panels": render_panels("after_clock_in", request, now=now), "now": now,
    }  # fmt: skip
    return render(request, "clockin/clock.html", facts | _shell(actor))


@never_cache
@require_GET
@access.roles(*ROLES)
def month_page(request: HttpRequest) -> HttpResponse:
    """考勤月历: what each day came to, and why it can be mended."""
    actor, now = access.actor_of(request), clock.now()
    today, person = clock.local_day(now), _me(request)
    first = _month(request.GET.get("month", ""), today)
    after = (first + timedelta(days=32)).replace(day=1)
    cells = days_of_person(person, first, after, today=today)
    asked = ClockCorrection.objects.filter(staff=person, day__gte=first, day__lt=after).with_people()
    can_mend = days_open(now)[0]
    facts = {
        "cells": cells, "blank": range(first.weekday()), "tally": tally(cells), "first": first, "now": now,
        "before": (first - ONE_DAY).replace(day=1) if first > today - timedelta(days=31 * MONTHS_BACK) else None,
        "after": after if after <= today else None, "corrections": list(asked.order_by("-asked_at", "-pk")[:20]),
        "odd": [cell for cell in reversed(cells) if cell.tone in ("late", "miss")], "can_mend": can_mend,
    }  # fmt: skip
    return render(request, "clockin/month.html", facts | _shell(actor))


def _month(text: str, today: date) -> date:
    """Return the first of the month that is asked for, of this one where that makes no sense or is too far."""
    day = desk.day(f"{text}-01") if len(text) == 7 else None
    return day if day and abs((today - day).days) <= 31 * (MONTHS_BACK + 1) and day <= today else today.replace(day=1)


# ---------------------------------------------------------------- consent


@require_POST
@access.roles(*ROLES)
def consent(request: HttpRequest) -> HttpResponse:
    """同意 or 不同意 that the place is taken at the tap."""
    actor, now = access.actor_of(request), clock.now()
    if request.POST.get("agree") == "1":
        services.agree_to_location(actor=actor, now=now)
    else:
        services.withdraw_location(actor=actor, now=now)
        hx.flash(request, "以后不取你的位置了，连门店 Wi-Fi 打卡")
    return redirect("guides:clock-in")


# ---------------------------------------------------------------- corrections


@never_cache
@require_http_methods(["GET", "POST"])
@access.roles(*ROLES)
def mend(request: HttpRequest) -> HttpResponse:
    """补卡, 外勤: which day, which side, when, why, with a photo if there is one."""
    actor, now = access.actor_of(request), clock.now()
    since, today = days_open(now)
    if request.method == "GET":
        return render(request, "clockin/mend.html", _mend_facts(request.GET, since, today, now) | _shell(actor))
    post = request.POST
    try:
        at = _moment(post, now)

        def work() -> dict[str, Any]:
            photos = files.take(request.FILES.getlist("photo"), post.getlist("photos"), room=ROOM, actor=actor, now=now)
            row = ask_correction(
                actor=actor, side=post.get("side", ""), at=at, sort=post.get("sort", ""), reason=post.get("reason", ""),
                photos=photos, distance_m=stood_of(post.get("stood", "")[:200], staff_id=actor.staff_id or 0), now=now,
            )  # fmt: skip
            return {"correction": row.pk}

        asked = {name: post.get(name, "") for name in ("side", "day", "at", "sort", "reason")}
        idempotency.once(request, asked | {"photos": post.getlist("photos")}, work)
    except DomainError as refusal:
        if refusal.status not in (409, 422) or "text/html" not in request.headers.get("Accept", ""):
            raise
        facts = _mend_facts(post, since, today, now) | {"refusal": refusal.detail or refusal.title} | _shell(actor)
        return render(request, "clockin/mend.html", facts, status=refusal.status)
    hx.flash(request, "交给店长了，批了就算打过" if actor.working_role == "guide" else "交给上一级了，批了就算打过")
    return redirect("guides:clock-month" if clock.local_day(at) != today else "guides:clock-in")


def _mend_facts(given: Any, since: date, today: date, now: datetime) -> dict[str, Any]:
    day = desk.day(given.get("day", "")) or today
    side = given.get("side") if given.get("side") in Side.values else Side.IN
    return {
        "given": given, "day": min(max(day, since), today), "side": side, "since": since, "today": today, "now": now,
        "sorts": ClockCorrection.Sort.choices, "sort": given.get("sort") or ("outside" if given.get("live") else "forgot"),
        "is_live": bool(given.get("live")), "stood": given.get("stood", "")[:200],
    }  # fmt: skip


def _moment(post: Any, now: datetime) -> datetime:
    """Return the moment that is claimed: now where she stands there, else a day and a time of day."""
    if post.get("live"):
        return now
    day, at = desk.day(post.get("day", "")), desk.hour(post.get("at", ""))
    if day is None or at is None:
        raise Invalid("填上哪一天、几点", errors=[{"field": "at", "code": "required", "message": "填上哪一天、几点"}])
    return clock.local_moment(day, at)


@require_POST
@access.roles(*ROLES)
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """撤回 one's own correction."""
    actor = access.actor_of(request)
    row = ClockCorrection.objects.visible_to(actor).with_people().filter(pk=pk, staff_id=actor.staff_id or 0).first()
    if row is None or row.approval is None:
        raise NotFound()
    approvals.withdraw(row.approval, actor=actor, now=clock.now())
    hx.flash(request, "已撤回")
    return HttpResponseRedirect(reverse("guides:clock-month"))


# ---------------------------------------------------------------- on other pages


@panel("today", order=5, name="clock")
def clock_panel(request: HttpRequest, *, now: datetime, **_: Any) -> tuple[str, dict[str, Any]] | None:
    """Ask on 今日 in the morning; it is looked up by a call of its own, so that the page itself costs nothing more."""
    return ("clockin/line_later.html", {}) if _is_morning(now) else None


@never_cache
@require_GET
@access.roles(*ROLES)
def line(request: HttpRequest) -> HttpResponse:
    """The line on 今日: not clocked in yet. Nothing once she has, or where she need not."""
    now = clock.now()
    person, day = _me(request), clock.local_day(now)
    (today,) = days_of_person(person, day, day + ONE_DAY, today=day)
    wanted = today.plan.is_work and today.record is None and not today.waits and person.store_id is not None
    facts = {"button": _button(today.plan, today.record, day, now), "is_wanted": wanted and _is_morning(now)}
    return render(request, "clockin/line.html", facts)


def _is_morning(now: datetime) -> bool:
    return LINE_FROM <= now.astimezone(clock.SHANGHAI).time() < LINE_UNTIL


nav.add("tools", key="clock", label="打卡", icon="map-pin", url="guides:clock-in", order=10, roles=ROLES)
