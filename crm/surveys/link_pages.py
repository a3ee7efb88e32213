"""/s/<token>/: one screen for whoever holds the link of a survey; no sign-in, one answer, and it is over."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from crm.aftersale.rules import LOW_STARS
from yejibao.core import access, clock, limits
from yejibao.core.errors import Conflict, Forbidden, Invalid

from . import queries, services
from .models import Survey
from .rules import rules
from .services import Given

WHY = "the secret link of a survey is what proves whose it is; it opens one form and nothing else"


@never_cache
@require_http_methods(["GET", "POST"])
@access.anonymous(WHY)
@limits.by("survey")
def survey(request: HttpRequest, token: str) -> HttpResponse:
    """How was it: stars, a reason, a few words. Answered or late, it says so."""
    found = services.find_by_token(token)
    here = reverse("crm:survey", args=[token])
    facts = {
        "is_link": True,
        "act": here,
        "stop": reverse("crm:survey-stop", args=[token]),
        "is_staff": _is_colleague(request),
    }
    if request.method == "GET":
        return screen(request, found, facts)
    if facts["is_staff"]:
        raise Forbidden(_("评价要顾客自己点，同事不能替他评。"), permission="survey.own")
    try:
        services.answer(found, given_in(request), way=Survey.Way.LINK, actor=services.whose(found), now=clock.now())
    except Invalid as refusal:
        return screen(request, found, facts, refusal=refusal)
    except Conflict:  # answered in another window, late, or its ticket is open again: the screen says which
        found.refresh_from_db()
    return HttpResponseRedirect(here)


def _is_colleague(request: HttpRequest) -> bool:
    """Tell whether the link was opened by somebody who works here: stars are the customer's. In the stand-in one browser is both."""
    return access.actor_of(request).kind == "staff" and not settings.WECOM_SANDBOX_CONTROL


@require_POST
@access.anonymous(WHY)
@limits.by("survey")
def stop(request: HttpRequest, token: str) -> HttpResponse:
    """以后不用问我, and back again."""
    found, now = services.find_by_token(token), clock.now()
    is_wanted = request.POST.get("wanted") == "1"
    services.want_surveys(found.member_id, is_wanted=is_wanted, actor=services.whose(found), now=now)
    return HttpResponseRedirect(reverse("crm:survey", args=[token]))


def given_in(request: HttpRequest) -> Given:
    """Return what a form holds."""
    post = request.POST
    stars = post.get("stars", "")
    return Given(
        stars=int(stars) if stars.isascii() and stars.isdecimal() and len(stars) < 3 else 0,
        reasons=post.getlist("reasons")[:20], words=post.get("words", ""), is_anonymous=post.get("anonymous") == "1",
    )  # fmt: skip


def screen(
    request: HttpRequest, found: Survey, facts: dict[str, Any], *, refusal: Invalid | None = None
) -> HttpResponse:
    """Return the one screen of a survey as it stands: to be answered, answered, or too late."""
    now = clock.now()
    is_over = found.answered_at is None and found.expires_at <= now
    facts = facts | {
        "survey": found, "kind": rules().kinds[found.kind], "now": now, "is_over": is_over,
        "is_reopened": found.ticket is not None and found.answered_at is None and found.ticket.state != "closed",
        "is_low": found.stars is not None and found.stars <= LOW_STARS, "is_refused": queries.is_refused(found.member_id),
        "faces": rules().satisfaction.items(), "given": request.POST, "chosen": request.POST.getlist("reasons"),
        "wrong": {one["field"]: one["message"] for one in refusal.errors} if refusal else {},
    }  # fmt: skip
    status = 422 if refusal else 410 if is_over else 200
    return render(request, "member/survey.html", facts, status=status)
