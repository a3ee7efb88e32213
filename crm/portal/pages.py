"""The member's own pages: the way in, and 会员中心 with what the rooms hang on it."""

from datetime import datetime
from typing import Any

import segno
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from crm.members import shown
from crm.members.models import Member
from guides.attendance import calendar
from yejibao.core import access, clock, limits, nav, panels
from yejibao.core.clock import local_day
from yejibao.core.errors import NotFound
from yejibao.core.panels import Answer, panel

from .codes import guide_of
from .places import HOME, member_of, safe_return, session_of
from .queries import card_of, code_of, own_guide
from .sessions import LIFE, TicketGone, end_session, sign_out_everywhere, use_ticket

nav.add("member", key="home", label="会员中心", icon="user-round", url="crm:my", order=10)


def set_cookie(response: HttpResponse, token: str) -> HttpResponse:
    """Let the browser carry a session to members' pages."""
    response.set_cookie(
        settings.MEMBER_COOKIE_NAME, token, max_age=int(LIFE.total_seconds()), path="/", httponly=True, samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )  # fmt: skip
    return response


def drop_cookie(response: HttpResponse) -> HttpResponse:
    response.delete_cookie(settings.MEMBER_COOKIE_NAME, path="/", samesite="Lax")
    return response


@never_cache
@require_GET
@access.anonymous("the way into members' pages: a ticket of the mini-program is swapped for a cookie here")
@limits.by("login", given="ticket")
def enter(request: HttpRequest) -> HttpResponse:
    """Swap a ticket for a session and go on; without one say where to come from."""
    onward = safe_return(request.GET.get("next", HOME))
    said = None
    if ticket := request.GET.get("ticket", ""):
        try:
            token = use_ticket(ticket, facts=access.actor_of(request).session_facts, now=clock.system_now())
        except TicketGone as gone:
            said = gone
        else:
            return set_cookie(HttpResponseRedirect(onward), token)
    elif access.actor_of(request).kind == "member":
        return redirect(onward)
    context = {"next": onward, "said": said, "ways": nav.entries("member-enter", request)}
    return render(request, "member/enter.html", context, status=401 if said else 200)


@require_POST
@access.member
def leave(request: HttpRequest) -> HttpResponse:
    """Sign out on this phone."""
    session = session_of(request)
    if session is not None:
        end_session(session, facts=access.actor_of(request).session_facts)
    return drop_cookie(redirect(reverse("crm:my-enter")))


@require_POST
@access.member
@limits.by("login")
def leave_everywhere(request: HttpRequest) -> HttpResponse:
    """Sign out on every phone: the one that was lost, too."""
    sign_out_everywhere(member_of(request), facts=access.actor_of(request).session_facts)
    return drop_cookie(redirect(reverse("crm:my-enter")))


@never_cache
@require_GET
@access.member
def home(request: HttpRequest) -> HttpResponse:
    """会员中心: level, what is his, his guide, and what the rooms hang below."""
    member, now = member_of(request), clock.now()
    context = {
        "member": member,
        "tops": panels.render("my-top", request, member=member, now=now),
        "panels": panels.render("my", request, member=member, now=now),
        "below": panels.render("my-below", request, member=member, now=now),
        "tools": nav.entries("member-tools", request),
        "nav_current": "home",
    }
    return render(request, "member/home.html", context)


@panel("my-top", order=10, name="hero")
def hero_panel(request: HttpRequest, *, member: Member, now: datetime, **_: Any) -> Answer:
    """Level with the way to the next, stored value, points, coupons; and the code the till scans."""
    card = card_of(member, now=now)
    return "member/part_hero.html", {"card": card, "percent": round(card.level.share * 100)} | _code_of(member)


def _code_of(member: Member) -> dict[str, str]:
    picture = segno.make(shown.code_of(member.member_no), micro=False)
    return {"member_no": member.member_no, "code": picture.svg_data_uri(scale=6, border=1)}


@never_cache
@require_GET
@access.member
def member_code(request: HttpRequest) -> HttpResponse:
    """The code once more: it lives five minutes, and the sheet that shows it fetches a new one every two."""
    return render(request, "member/part_code.html", _code_of(member_of(request)))


@panel("my", order=10, name="guide")
def guide_panel(request: HttpRequest, *, member: Member, now: datetime, **_: Any) -> Answer:
    """我的专属导购: who she is, whether she is in today, and the code that adds her."""
    own = guide_of(member)
    if own is None:
        return None
    is_in = calendar.day_of(own.guide, local_day(now)).hours is not None
    facts = {"guide": own.guide, "is_friend": own.is_friend, "has_code": own.code is not None, "is_in": is_in}
    return "member/part_guide.html", facts


@never_cache
@require_GET
@access.member
def guide_code(request: HttpRequest) -> HttpResponse:
    """The QR code that adds the member's own guide; it names nobody, whose it is says the session."""
    guide = own_guide(member_of(request))
    code = code_of(guide) if guide else None
    if code is None or code.picture is None:
        raise NotFound(_("还没有她的二维码，请到店里加她。"))
    return HttpResponse(bytes(code.picture), content_type="image/png")
