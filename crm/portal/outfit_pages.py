"""7 天穿搭 on the member's phone (mock-up 23): what to wear this week from what he owns, what to add, and whom to ask."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from crm.catalogue.outfits import drawing, services, words
from crm.catalogue.outfits.models import LookShare
from crm.catalogue.outfits.queries import DayLook, MemberWeek
from crm.members.models import Member
from yejibao.core import access, clock, desk, hx, idempotency, limits, nav
from yejibao.core.panels import Answer, panel

from . import looks
from .begun import begun_with
from .looks import YOU
from .places import member_of
from .queries import own_guide

nav.add("member", key="outfits", label="穿搭", icon="shirt", url="crm:my-outfits", order=20)
nav.add("member-tools", key="outfits", label="7 天穿搭", icon="shirt", url="crm:my-outfits", order=5)


@never_cache
@require_GET
@access.member
def outfits(request: HttpRequest) -> HttpResponse:
    """His week, a day large. By a link his guide sent (`?s=`) her words stand with it, and she hears that he opened it."""
    member, now = member_of(request), clock.now()
    share = _share(request, member)
    if share and not hx.is_htmx(request):
        services.note_opened(member, share.public_id, now=now)
    week = looks.own_week(member, now=now)
    context = _facts(request, member, week, _look(request, week, share), share)
    return render(request, "member/outfits_body.html" if hx.is_htmx(request) else "member/outfits.html", context)


def _share(request: HttpRequest, member: Member) -> LookShare | None:
    """Return what his guide sent him, if this is his; somebody else's link opens his own week and says nothing."""
    try:
        asked = UUID((request.POST.get("s") or request.GET.get("s", ""))[:36])
    except ValueError:
        return None
    return LookShare.objects.select_related("guide").filter(member=member, public_id=asked).first()


def _look(request: HttpRequest, week: MemberWeek, share: LookShare | None) -> DayLook:
    """Return the day that is asked for, else the one she sent, else the first."""
    asked = desk.day(request.POST.get("day") or request.GET.get("day"))
    for day in (asked, share.day if share else None):
        if day and (look := week.look(day)):
            return look
    return week.looks[0]


def _facts(
    request: HttpRequest, member: Member, week: MemberWeek, look: DayLook, share: LookShare | None
) -> dict[str, Any]:
    today = clock.today()
    return {
        "member": member, "week": week, "look": look, "share": share, "guide": own_guide(member), "today": today, "now": clock.now(),
        "rows": [(piece, words.piece_words(piece, who=YOU, today=today)) for piece in look.missing],
        "own": [(piece, words.piece_words(piece, who=YOU, today=today)) for piece in look.pieces if piece.owned],
        "lay": drawing.lay(look.pieces), "days": drawing.days(week.looks), "why": words.why_week(week, who=YOU), "nav_current": "outfits",
        "begun": begun_with(member, [piece.style.sku_code for piece in look.missing], now=clock.now()),
    }  # fmt: skip


@require_POST
@access.member
@limits.by("look")
def change(request: HttpRequest) -> HttpResponse:
    """换一套, or back to what was made for him."""
    member, now, actor = member_of(request), clock.now(), access.actor_of(request)
    share, week = _share(request, member), looks.own_week(member, now=now)
    look = _look(request, week, share)
    is_back = request.POST.get("back") == "1"

    def work() -> dict[str, Any]:
        if is_back:
            services.take_back(member, look.day, actor=actor, now=now)
            return {"said": "还原了"}
        return {"said": f"换成「{services.choose_outfit(week, look.day, actor=actor, now=now)}」"}

    answer, _replayed = idempotency.once(request, {"day": str(look.day), "back": is_back}, work)
    if not hx.is_htmx(request):
        return desk.done(request, answer["said"], _here(look, share))
    fresh = looks.own_week(member, now=now)
    shown = fresh.look(look.day) or fresh.looks[0]
    response = render(request, "member/outfits_body.html", _facts(request, member, fresh, shown, share))
    return hx.toast(response, answer["said"])


def _here(look: DayLook, share: LookShare | None) -> str:
    return f"{reverse('crm:my-outfits')}?day={look.day}" + (f"&s={share.public_id}" if share else "")


@require_POST
@access.member
@limits.by("look")
def like(request: HttpRequest) -> HttpResponse:
    """喜欢: his guide sees it beside what she sent."""
    member, now = member_of(request), clock.now()
    share = _share(request, member)
    looks.like_share(share, member, now=now)
    week = looks.own_week(member, now=now)
    return desk.done(request, "记下了，她会多配这样的", _here(_look(request, week, share), share))


@require_POST
@access.member
@limits.by("look")
def ask(request: HttpRequest) -> HttpResponse:
    """请导购备货: his own guide is told which look, and goes on from there."""
    member, now, actor = member_of(request), clock.now(), access.actor_of(request)
    share = _share(request, member)
    look = _look(request, looks.own_week(member, now=now), share)
    idempotency.must_have_key(request)

    def work() -> dict[str, Any]:
        return {"said": looks.ask_guide(look, member, actor=actor, now=now)}

    answer, _replayed = idempotency.once(request, {"day": str(look.day)}, work)
    return desk.done(request, answer["said"], _here(look, share))


@require_POST
@access.member
@limits.by("money")
def buy(request: HttpRequest) -> HttpResponse:
    """买这几件: what is ticked, in his sizes, becomes an order he pays at once."""
    member, now, actor = member_of(request), clock.now(), access.actor_of(request)
    look = _look(request, looks.own_week(member, now=now), _share(request, member))
    only = [code[:32] for code in request.POST.getlist("only")][:12]
    idempotency.must_have_key(request)

    def work() -> dict[str, Any]:
        sale, left = looks.buy_pieces(look, member, only=only, actor=actor, now=now)
        return {"sale": str(sale.public_id), "left": left}

    answer, _replayed = idempotency.once(request, {"day": str(look.day), "only": only}, work)
    if answer["left"]:
        hx.flash(request, "没放进去的：" + "；".join(answer["left"]))
    there = reverse("crm:my-pay", args=[answer["sale"]])
    return hx.redirect(there) if hx.is_htmx(request) else HttpResponseRedirect(there)


@panel("my", order=20, name="outfits")
def outfits_panel(request: HttpRequest, *, member: Member, **_: Any) -> Answer:
    """7 天穿搭 on 会员中心: one line; the week is made when he opens it."""
    return "member/part_outfits.html", {"member": member}
