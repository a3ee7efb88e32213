"""/g/votes/ for who votes, /m/votes/ for who asks."""

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
from .models import Vote, VoteBallot, VoteOption
from .scoped import CREATE, keeper_filter

SHOWN = 50


def _shell(actor: Actor, *, keeps: bool = False) -> dict[str, Any]:
    return shell_facts(actor, "votes") | {"keeps": keeps}


@never_cache
@require_GET
@access.signed_in
def votes(request: HttpRequest) -> HttpResponse:
    """投票: what waits for me, what came of the others."""
    actor = access.actor_of(request)
    facts = {"rows": queries.own_votes(actor, now=clock.now()), "may_ask": actor.may(CREATE)}
    return render(request, "votes/list.html", facts | _shell(actor))


@never_cache
@require_http_methods(["GET", "POST"])
@access.signed_in
def vote(request: HttpRequest, pk: int) -> HttpResponse:
    """One vote: the choice, or what came of it. POST votes."""
    actor, now = access.actor_of(request), clock.now()
    held = Vote.objects.visible_to(actor).select_related("unit", "author").filter(pk=pk).first()
    ballot = VoteBallot.objects.filter(vote_id=pk, staff_id=actor.staff_id or 0).first() if held else None
    if held is None or ballot is None:
        raise NotFound()
    if request.method == "POST":
        given = [int(one) for one in request.POST.getlist("option") if one.isdecimal() and len(one) < 18]
        # No stored answer: it would keep, by a hash, what was chosen. The ballot itself lets nobody vote twice.
        services.cast(held, given, actor=actor, now=now)
        return desk.done(
            request, "投好了，谢谢" + ("。没有人能看到你选了什么" if held.is_anonymous else ""), request.path
        )
    is_open = held.is_open(now)
    shows = held.shows_result(now, has_cast=ballot.is_cast)
    facts = {
        "vote": held, "is_cast": ballot.is_cast, "is_open": is_open, "may_vote": is_open and not ballot.is_cast,
        "options": list(VoteOption.objects.filter(vote=held).order_by("place")), "tally": queries.result_of(held) if shows else [],
    }  # fmt: skip
    return render(request, "votes/vote.html", facts | _shell(actor))


# ---------------------------------------------------------------- who asks


@never_cache
@require_GET
@access.permission(CREATE)
def kept(request: HttpRequest) -> HttpResponse:
    """What my unit has asked."""
    actor = access.actor_of(request)
    rows = Vote.objects.filter(keeper_filter(actor)).select_related("unit", "author").order_by("-opened_at", "-pk")
    facts = {"rows": list(rows[:SHOWN])}
    return render(request, "votes/kept.html", facts | _shell(actor, keeps=True))


@never_cache
@require_http_methods(["GET", "POST"])
@access.permission(CREATE)
def new(request: HttpRequest) -> HttpResponse:
    """发起投票"""
    actor, now = access.actor_of(request), clock.now()
    facts: dict[str, Any] = {"choice": choice_of(actor, CREATE), "given": request.POST, "blank": range(4)} | _shell(
        actor, keeps=True
    )
    if request.method == "GET":
        return render(request, "votes/new.html", facts)
    given = {name: request.POST.getlist(name) for name in ("units", "roles", "kinds", "options")}
    words = {
        name: request.POST.get(name, "")
        for name in ("title", "text", "deadline_at", "most_choices", "anonymous", "result")
    }

    def work() -> dict[str, Any]:
        chosen = read_choice(given, actor=actor, action=CREATE, day=clock.local_day(now))
        most = words["most_choices"]
        opened = services.open_vote(
            title=words["title"], text=words["text"], options=given["options"],
            most_choices=int(most) if most.isdecimal() and len(most) < 3 else 1, is_anonymous=words["anonymous"] == "1",
            shows_at_once=words["result"] != "end", deadline_at=_moment(words["deadline_at"]), chosen=chosen, actor=actor, now=now,
        )  # fmt: skip
        return {"vote": opened.pk}

    answer, refusal = desk.attempt(request, given | words, work)
    if refusal is not None:
        said = "；".join(str(one["message"]) for one in refusal.errors) or desk.sentence(refusal)
        facts |= {"refusal": said, "chosen": given, "blank": given["options"] + [""]}
        return render(request, "votes/new.html", facts, status=refusal.status)
    return desk.done(request, "发起了，正在通知大家", reverse("guides:vote-kept", args=[answer["vote"]]))


def _moment(text: str) -> datetime:
    try:
        return clock.parse_iso(text)
    except ValueError:
        raise Invalid("选一下截止时间") from None


@never_cache
@require_GET
@access.permission(CREATE)
def one(request: HttpRequest, pk: int) -> HttpResponse:
    """How far a vote has come; of one with names who chose what."""
    actor, now, held = access.actor_of(request), clock.now(), _kept(request, pk)
    is_secret = held.is_anonymous and held.is_open(now)
    tally = [] if is_secret else queries.result_of(held)
    chosen = request.GET.get("option", "")
    option = (
        next((row.option for row in tally if str(row.option.pk) == chosen), None) if not held.is_anonymous else None
    )
    facts = {
        "vote": held, "tally": tally, "is_secret": is_secret, "is_open": held.is_open(now), "option": option,
        "names": queries.names_of(option) if option else [],
        "silent": list(queries.silent_people(held).select_related("store")[:queries.NAMES]) if held.is_open(now) else [],
    }  # fmt: skip
    return render(request, "votes/one.html", facts | _shell(actor, keeps=True))


@require_POST
@access.permission(CREATE)
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """撤回"""
    services.withdraw_vote(_kept(request, pk), actor=access.actor_of(request), now=clock.now())
    return desk.done(request, "撤回了", reverse("guides:votes-kept"))


def _kept(request: HttpRequest, pk: int) -> Vote:
    rows = Vote.objects.filter(keeper_filter(access.actor_of(request))).select_related("unit", "author")
    held = rows.filter(pk=pk).first()
    if held is None:
        raise NotFound()
    return held


def open_count(request: HttpRequest) -> int | None:
    """Return how many votes wait for this person."""
    return queries.open_count(access.actor_of(request), now=clock.now()) or None


nav.add("me", key="votes", label="投票", icon="list-checks", url="guides:votes", order=12, badge=open_count)
nav.add("hq", key="votes", label="投票", icon="list-checks", url="guides:votes-kept", order=62, permission=CREATE)
