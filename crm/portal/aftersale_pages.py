"""我的售后 (mock-up 22): a request in half a minute, with whom it is and by when she answers, what is said, and how it was."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from crm.aftersale import queries, services
from crm.aftersale.access_rows import with_standing
from crm.aftersale.forms import content_of, form_facts, read_form
from crm.aftersale.goods import goods_instead
from crm.aftersale.models import Ticket
from crm.aftersale.rules import confirm_words, rules
from crm.aftersale.services.answering import may_reopen
from crm.aftersale.showing import mark_of, slip_of
from crm.members.models import Member
from crm.surveys.services import Given, rate_ticket
from yejibao.core import access, clock, desk, files, hx, idempotency, limits, live, nav, paging
from yejibao.core.errors import DomainError, Invalid, NotFound
from yejibao.core.files.pages import take_upload, told
from yejibao.core.files.reading import response_of
from yejibao.core.panels import Answer, panel

from .places import find_one, member_of
from .stores import store_named, stores_of
from .tickets import agree, at_night, offered, state_names

ROOM, PAGE, CHANNEL = queries.ROOM, 10, "mini_program"

nav.add("member-tools", key="aftersale", label="售后", icon="wrench", url="crm:my-tickets", order=20)
nav.add("member-tools", key="care", label="洗护保养", icon="sparkles", url="/my/tickets/new/?kind=care", order=22)


def _own(request: HttpRequest, public_id: uuid.UUID) -> Ticket:
    return find_one(with_standing(Ticket.objects.visible_to(access.actor_of(request))), public_id)


@never_cache
@require_GET
@access.member
def tickets(request: HttpRequest) -> HttpResponse:
    """His requests, the newest first."""
    rows = Ticket.objects.visible_to(access.actor_of(request)).select_related("line", "guide")
    found, before = paging.page(rows, "opened_at", before=request.GET.get("before", "")[:64], size=PAGE)
    more = f"{reverse('crm:my-tickets')}?before={before}" if before else ""
    facts = {"tickets": found, "more": more, "states": state_names(), "now": clock.now()}
    return render(request, "member/ticket_rows.html" if hx.is_htmx(request) else "member/tickets.html", facts)


@never_cache
@require_http_methods(["GET", "POST"])
@access.member
def new_ticket(request: HttpRequest) -> HttpResponse:
    """申请售后: what is wrong, what he wishes, a photo, a sentence. What is missing is said, what was typed stays."""
    member, actor, now = member_of(request), access.actor_of(request), clock.now()
    given = request.POST if request.method == "POST" else request.GET
    facts = form_facts(member, line=given.get("line"), kind=given.get("kind", ""), now=now)
    facts |= {"member": member, "is_member": True, "now": now, "guide": member.owner_guide, "given": given}
    if member.main_store_id is None and facts["chosen"] is None:  # a newcomer says where
        facts["stores"] = stores_of(member, today=clock.local_day(now))
    if request.method == "GET":
        return render(request, "member/ticket_new.html", facts)
    photos = files.take(request.FILES.getlist("photo"), given.getlist("photos"), room=ROOM, actor=actor, now=now)

    def work() -> dict[str, Any]:
        store = store_named(given.get("store", "")[:32], today=clock.local_day(now))
        made = services.ask(
            member, actor=actor, now=now, photos=photos, channel=CHANNEL, store=store, **read_form(member, given)
        )
        return {"ticket": str(made.public_id)}

    try:
        answer, _replayed = idempotency.once(request, content_of(given), work)
    except DomainError as refusal:
        # The form's own script keeps words and photos, and says itself what is missing.
        if refusal.errors and hx.wants_page(request):
            wrong = {one["field"]: one["message"] for one in refusal.errors}
            return render(request, "member/ticket_new.html", facts | {"wrong": wrong}, status=422)
        if refusal.code != services.PieceHasTicket.code:
            raise
        hx.flash(request, refusal.detail)  # what he came to say, he says in the one that is open
        return HttpResponseRedirect(reverse("crm:my-ticket", args=[refusal.extra["ticket"]]))
    return HttpResponseRedirect(reverse("crm:my-ticket", args=[answer["ticket"]]))


@never_cache
@require_GET
@access.member
def ticket_goods(request: HttpRequest) -> HttpResponse:
    """换款: what he might have instead, with what his store has now. A part of the form."""
    member, line = member_of(request), queries.line_of(member_of(request), desk.chosen(request.GET.get("line")) or None)
    if line is None:
        raise NotFound()
    query, store = request.GET.get("q", "")[:40], line.order.store
    found = goods_instead(query, line=line, member=member, store=store, actor=access.actor_of(request), now=clock.now())
    return render(request, "aftersale/goods.html", {"found": found, "query": query, "field": "target_sku"})


@never_cache
@require_GET
@access.member
def ticket(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """One request: who has it, what was said, what waits for him. Refreshes itself, since she answers while he looks."""
    held, now = _own(request, public_id), clock.now()
    night, reopens, slip = at_night(held, now), may_reopen(held, now=now), slip_of(held)
    mark = mark_of(held, night, reopens, clock.local_day(now))

    def build() -> HttpResponse:
        lines = queries.steps_of(held, for_member=True)
        facts: dict[str, Any] = {
            "ticket": held, "lines": lines, "offered": offered(held, lines), "book": rules(), "now": now, "mark": mark,
            "state_name": state_names()[held.state], "may_reopen": reopens, "at_night": night, "slip": slip,
            "may_cancel": "cancelled" in rules().after(held.state),
            "to_confirm": confirm_words(held) if slip and not slip.confirmed_at else [],
        }  # fmt: skip
        return render(request, "member/ticket_part.html" if hx.is_htmx(request) else "member/ticket.html", facts)

    return live.answer(request, mark, build)


@require_POST
@access.member
def say(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """He says more, agrees to what was offered, confirms what was written down of his piece, calls it off, or rates it."""
    actor, held, given, now = access.actor_of(request), _own(request, public_id), request.POST, clock.now()
    do, text, stars = given.get("do", ""), given.get("text", ""), given.get("stars", "")
    photos = files.take(request.FILES.getlist("photo"), given.getlist("photos"), room=ROOM, actor=actor, now=now)

    def work() -> dict[str, Any]:
        match do:
            case "say":
                services.member_says(held, text, actor=actor, now=now, photos=photos)
                return {"said": "说好了，马上有人看"}
            case "agree":
                agree(held, text, actor=actor, now=now)
                return {"said": "好的，告诉导购了"}
            case "confirm":
                services.confirm_slip(held, actor=actor, now=now)
                return {"said": "确认好了，这就开始弄"}
            case "cancel":
                services.cancel_by_member(held, actor=actor, now=now, reason="会员撤销")
                return {"said": "已撤销"}
            case "rate":
                said = Given(int(stars) if stars.isdecimal() else 0, words=text)
                rate_ticket(held, said, actor=actor, now=now)
                return {"said": "谢谢您的评价"}
        raise Invalid("没看懂，刷新一下再试")

    answer, _replayed = idempotency.once(request, {"do": do, "text": text, "stars": stars, "photos": len(photos)}, work)
    return desk.done(request, answer["said"], reverse("crm:my-ticket", args=[public_id]))


@require_GET
@access.member
def photo(request: HttpRequest, name: uuid.UUID) -> HttpResponse:
    """A photo of one of his own requests."""
    found = files.find(name, actor=access.actor_of(request))
    return response_of(found, small=bool(request.GET.get("small")))


@limits.by("upload")
@require_POST
@access.member
def upload(request: HttpRequest) -> JsonResponse:
    """A photo sent ahead of its form, as /files/ is for staff; only for what a member may add."""
    kept = take_upload(request, rooms=(ROOM,))
    url = reverse("crm:my-file", args=[kept.name])
    return told(kept, url, f"{url}?small=1")


@panel("my", order=40, name="tickets")
def tickets_panel(request: HttpRequest, *, member: Member, now: datetime, **_: Any) -> Answer:
    """售后 on 会员中心: what is being done for him."""
    found = queries.open_of(member, access.actor_of(request))
    return ("member/part_tickets.html", {"tickets": found, "states": state_names(), "now": now}) if found else None
