"""/g/meetings/ for those asked, /m/meetings/ for who plans."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from guides.announcements.choosing import choice_of, read_choice
from guides.org.pages import shell_facts
from yejibao.core import access, clock, desk, nav
from yejibao.core.errors import Invalid, NotFound
from yejibao.core.scope import Actor

from . import queries, services
from .models import Meeting, MeetingAttendee
from .scoped import PLAN, keeper_filter
from .services.coming import is_door_open

SHOWN = 50


def _shell(actor: Actor, *, keeps: bool = False) -> dict[str, Any]:
    return shell_facts(actor, "meetings") | {"keeps": keeps}


@never_cache
@require_GET
@access.signed_in
def meetings(request: HttpRequest) -> HttpResponse:
    """会议: what I am asked to."""
    actor = access.actor_of(request)
    facts = {"rows": queries.own_meetings(actor, now=clock.now()), "may_plan": actor.may(PLAN)}
    return render(request, "meetings/list.html", facts | _shell(actor))


@never_cache
@require_GET
@access.signed_in
def meeting(request: HttpRequest, pk: int) -> HttpResponse:
    """One meeting: when, where, the way in, signing in."""
    actor, now = access.actor_of(request), clock.now()
    held, mine = _asked(request, pk)
    facts = {
        "meeting": held,
        "mine": mine,
        "door_open": held.needs_sign_in and is_door_open(held, now),
        "is_over": held.ends_at <= now,
    }
    return render(request, "meetings/meeting.html", facts | _shell(actor))


@require_POST
@access.signed_in
def sign_in(request: HttpRequest, pk: int) -> HttpResponse:
    """签到"""
    held, _mine = _asked(request, pk)
    new = services.sign_in(held, actor=access.actor_of(request), now=clock.now())
    return desk.done(request, "签到好了" if new else "你已经签过到了", reverse("guides:meeting", args=[pk]))


def _asked(request: HttpRequest, pk: int) -> tuple[Meeting, MeetingAttendee]:
    rows = MeetingAttendee.objects.filter(staff_id=access.actor_of(request).staff_id or 0, meeting_id=pk)
    mine = rows.select_related("meeting", "meeting__author", "meeting__unit").first()
    if mine is None:
        raise NotFound()
    return mine.meeting, mine


# ---------------------------------------------------------------- who plans


@never_cache
@require_GET
@access.permission(PLAN)
def planned(request: HttpRequest) -> HttpResponse:
    """What my unit has planned, with how many came."""
    actor = access.actor_of(request)
    rows = list(
        Meeting.objects.filter(keeper_filter(actor))
        .select_related("unit", "author")
        .order_by("-starts_at", "-pk")[:SHOWN]
    )
    counts = queries.counts_of(rows)
    facts = {"rows": [{"meeting": one, "coming": counts[one.pk]} for one in rows]}
    return render(request, "meetings/planned.html", facts | _shell(actor, keeps=True))


@never_cache
@require_http_methods(["GET", "POST"])
@access.permission(PLAN)
def new(request: HttpRequest) -> HttpResponse:
    """约会议"""
    actor, now = access.actor_of(request), clock.now()
    facts: dict[str, Any] = {"choice": choice_of(actor, PLAN), "given": request.POST, "chosen": {}} | _shell(
        actor, keeps=True
    )
    if request.method == "GET":
        return render(request, "meetings/new.html", facts)
    given = {name: request.POST.getlist(name) for name in ("units", "roles", "kinds")}
    names = ("title", "text", "starts_at", "minutes", "place", "link", "platform", "sign_in")
    words = {name: request.POST.get(name, "") for name in names}

    def work() -> dict[str, Any]:
        chosen = read_choice(given, actor=actor, action=PLAN, day=clock.local_day(now))
        planned = services.plan_meeting(
            title=words["title"], text=words["text"], starts_at=_moment(words["starts_at"]),
            minutes=int(words["minutes"]) if words["minutes"].isdecimal() and len(words["minutes"]) < 5 else 0,
            place=words["place"], link=words["link"], on_platform=words["platform"] == "1",
            needs_sign_in=words["sign_in"] == "1", chosen=chosen, actor=actor, now=now,
        )  # fmt: skip
        return {"meeting": planned.pk}

    answer, refusal = desk.attempt(request, given | words, work)
    if refusal is not None:
        said = "；".join(str(one["message"]) for one in refusal.errors) or desk.sentence(refusal)
        return render(request, "meetings/new.html", facts | {"refusal": said, "chosen": given}, status=refusal.status)
    return desk.done(request, "约好了，正在通知大家", reverse("guides:meeting-planned", args=[answer["meeting"]]))


def _moment(text: str) -> datetime:
    try:
        return clock.parse_iso(text)
    except ValueError:
        raise Invalid("选一下开始时间") from None


@never_cache
@require_GET
@access.permission(PLAN)
def one(request: HttpRequest, pk: int) -> HttpResponse:
    """Who was asked, who came."""
    actor, held = access.actor_of(request), _kept(request, pk)
    facts = {
        "meeting": held, "coming": queries.counts_of([held])[held.pk], "is_over": held.ends_at <= clock.now(),
        "people": list(queries.people_of(held)[: queries.PEOPLE]), "most": queries.PEOPLE,
    }  # fmt: skip
    return render(request, "meetings/one.html", facts | _shell(actor, keeps=True))


@require_POST
@access.permission(PLAN)
def call_off(request: HttpRequest, pk: int) -> HttpResponse:
    """取消"""
    services.call_off(_kept(request, pk), actor=access.actor_of(request), now=clock.now())
    return desk.done(request, "取消了，会通知大家", reverse("guides:meetings-planned"))


def _kept(request: HttpRequest, pk: int) -> Meeting:
    rows = Meeting.objects.filter(keeper_filter(access.actor_of(request))).select_related("unit", "author")
    held = rows.filter(pk=pk).first()
    if held is None:
        raise NotFound()
    return held


def coming_count(request: HttpRequest) -> int | None:
    """Return how many meetings are ahead."""
    return queries.coming_count(access.actor_of(request), now=clock.now()) or None


nav.add(
    "me", key="meetings", label="会议", icon="video", url="guides:meetings", order=13, badge=coming_count, loud=False
)
nav.add("hq", key="meetings", label="会议", icon="video", url="guides:meetings-planned", order=63, permission=PLAN)
