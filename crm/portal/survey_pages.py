"""评价 on a member's own pages: what he may say something to, what he said, and what the store said to that."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from crm.members.models import Member
from crm.surveys import queries, services
from crm.surveys.link_pages import given_in, screen
from crm.surveys.models import Survey
from crm.surveys.rules import CAP_TIMES
from yejibao.core import access, clock, hx, nav
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.paging import pageful
from yejibao.core.panels import Answer, panel

from .places import find_one, member_of

PAGE = 10

nav.add("member-tools", key="surveys", label="评价", icon="star", url="crm:my-surveys", order=60)


@never_cache
@require_GET
@access.member
def surveys(request: HttpRequest) -> HttpResponse:
    """What he was asked, the newest first, and whether he wants to be."""
    actor, now = access.actor_of(request), clock.now()
    rows = Survey.objects.visible_to(actor).select_related("store")
    facts = {"page": pageful(rows, "asked_at", request.GET.get("before", "")[:64], size=PAGE), "now": now}
    if hx.is_htmx(request):
        return render(request, "member/survey_rows.html", facts)
    facts |= {"is_refused": queries.is_refused(actor.member_id or 0), "cap": CAP_TIMES.at(now)}
    return render(request, "member/surveys.html", facts)


@never_cache
@require_http_methods(["GET", "POST"])
@access.member
def survey(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """One survey: the same one screen as behind its link."""
    actor = access.actor_of(request)
    rows = Survey.objects.visible_to(actor).select_related("store", "guide", "member", "ticket")
    found = find_one(rows, public_id)
    here = reverse("crm:my-survey", args=[public_id])
    facts = {"is_link": False, "act": here, "stop": reverse("crm:my-surveys-stop")}
    if request.method == "GET":
        return screen(request, found, facts)
    try:
        services.answer(found, given_in(request), way=Survey.Way.PAGE, actor=actor, now=clock.now())
    except Invalid as refusal:
        return screen(request, found, facts, refusal=refusal)
    except Conflict:  # answered in another window, late, or its ticket is open again: the screen says which
        pass
    return HttpResponseRedirect(here)


@require_POST
@access.member
def stop(request: HttpRequest) -> HttpResponse:
    """以后不用问我, and back again."""
    is_wanted = request.POST.get("wanted") == "1"
    services.want_surveys(member_of(request).pk, is_wanted=is_wanted, actor=access.actor_of(request), now=clock.now())
    hx.flash(request, "好的，以后会请您评价" if is_wanted else "好的，以后不问了")
    return HttpResponseRedirect(reverse("crm:my-surveys"))


@panel("my", order=35, name="surveys")
def surveys_panel(request: HttpRequest, *, member: Member, now: datetime, **_: Any) -> Answer:
    """请您评一评 on 会员中心, while there is something to say."""
    found = queries.waiting_of(member, now=now)
    return ("member/part_surveys.html", {"surveys": found, "now": now}) if found else None
