"""到店预约 on the member's phone: when he is asked to come and what he says to it; or he asks himself, and his guide confirms."""

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
from crm.visits import queries, services
from crm.visits.models import Kind, Visit
from crm.visits.pages import moment_of, time_choices
from crm.visits.telling import slot_words
from yejibao.core import access, clock, desk, hx, limits, live, nav, paging
from yejibao.core.errors import DomainError, Invalid, NotFound
from yejibao.core.panels import Answer, panel
from yejibao.core.scope import Actor

from .places import member_of
from .stores import with_spots

PAGE = 10

nav.add("member-tools", key="visits", label="到店预约", icon="calendar-check", url="crm:my-visits", order=25)


def own_visit(actor: Actor, public_id: uuid.UUID) -> Visit:
    """Return a visit of the member's own. Raises NotFound; one he has not been told of is found by its link."""
    rows = Visit.objects.filter(member_id=actor.member_id or 0).with_people()
    found = rows.filter(public_id=public_id).first()
    if found is None:
        raise NotFound()
    return found


@never_cache
@require_GET
@access.member
def visits(request: HttpRequest) -> HttpResponse:
    """His visits, the newest first."""
    rows = Visit.objects.visible_to(access.actor_of(request)).with_people()
    found, before = paging.page(rows, "starts_at", before=request.GET.get("before", "")[:64], size=PAGE)
    more = f"{reverse('crm:my-visits')}?before={before}" if before else ""
    facts = {"visits": found, "more": more, "now": clock.now()}
    if hx.is_htmx(request):
        return render(request, "member/visit_rows.html", facts)
    standing = Visit.objects.visible_to(access.actor_of(request)).open().first()
    return render(request, "member/visits.html", facts | {"standing": standing})


@never_cache
@require_http_methods(["GET", "POST"])
@limits.by("word", given="starts_at")
@access.member
def new_visit(request: HttpRequest) -> HttpResponse:
    """预约到店: which store, when, what for. A time that stands already is shown instead: there is one at a time."""
    member, actor, now = member_of(request), access.actor_of(request), clock.now()
    standing = Visit.objects.visible_to(actor).open().first()
    if standing is not None and request.method == "GET":
        return HttpResponseRedirect(reverse("crm:my-visit", args=[standing.public_id]))
    stores = queries.stores_to_choose(member, today=clock.local_day(now))
    given = request.POST if request.method == "POST" else request.GET
    wanted = desk.chosen(given.get("store"))
    store = next((one for one in stores if one.pk == wanted), stores[0] if stores else None)
    refusal: DomainError | None = None
    if request.method == "POST" and store is not None:
        place, asked = store, {name: given.get(name, "") for name in ("starts_at", "kind", "words")}

        def work() -> dict[str, Any]:
            made = services.ask_to_come(
                member, store=place, starts_at=moment_of(asked["starts_at"]), kind=asked["kind"], words=asked["words"],
                actor=actor, now=now,
            )  # fmt: skip
            return {"visit": str(made.public_id)}

        answer, refusal = desk.attempt(request, asked | {"store": place.pk}, work)
        if refusal is None:
            said = f"告诉{served_by(member)}了，定下来这里会变"
            return desk.done(request, said, reverse("crm:my-visit", args=[answer["visit"]]))
    facts = {
        "stores": with_spots(stores), "store": store, "times": time_choices(store, now=now) if store else [], "kinds": Kind.choices,
        "given": given, "refused": desk.sentence(refusal) if refusal else "", "serving": served_by(member),
    }  # fmt: skip
    return render(request, "member/visit_new.html", facts, status=refusal.status if refusal else 200)


def served_by(member: Member) -> str:
    """Return who confirms it, as the member knows them."""
    guide = member.owner_guide
    return (guide.display_name or guide.name) if guide else "门店"


@never_cache
@require_GET
@access.member
def visit(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """One invitation: 去, 换个时间, 去不了. It refreshes itself, since she changes it while he looks."""
    actor, now = access.actor_of(request), clock.now()
    held = own_visit(actor, public_id)
    if not hx.is_htmx(request):
        services.note_opened(held, actor=actor, now=now)
        held = own_visit(actor, public_id)
    pieces, is_over = queries.story_of(held).pieces, held.ends_at <= now
    mark = live.mark(held, held.guide, *pieces, is_over)
    facts: dict[str, Any] = {
        "visit": held, "pieces": pieces, "slot": slot_words(held, now=now), "now": now, "mark": mark, "is_over": is_over,
        "times": time_choices(held.store, now=now) if may_answer(held, now=now) else [], "may_answer": may_answer(held, now=now),
    }  # fmt: skip
    template = "member/visit_body.html" if hx.is_htmx(request) else "member/visit.html"
    return live.answer(request, mark, lambda: render(request, template, facts))


def may_answer(held: Visit, *, now: datetime) -> bool:
    """Tell whether an answer still changes something: he may think better of a no before the time is over."""
    return held.is_open or (held.state == Visit.State.DECLINED and held.ends_at > now)


@require_POST
@access.member
@limits.by("look")
def answer(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """去 / 换个时间 / 去不了, once per key."""
    actor, given = access.actor_of(request), request.POST
    held, do, at, reason = (
        own_visit(actor, public_id),
        given.get("do", ""),
        given.get("starts_at", ""),
        given.get("reason", ""),
    )

    def work() -> dict[str, Any]:
        return {"said": say(held, do, at, reason, actor)}

    said, refusal = desk.attempt(request, {"do": do, "at": at, "reason": reason}, work)
    return desk.done(
        request, desk.sentence(refusal) if refusal else said["said"], reverse("crm:my-visit", args=[public_id])
    )


def say(held: Visit, do: str, at: str, reason: str, actor: Actor) -> str:
    """Do what he tapped, and return what to say to him. Raises Invalid, Conflict."""
    now = clock.now()
    match do:
        case "yes":
            coming = services.accept(held, actor=actor, now=now)
            return "告诉门店了，等一声回话" if coming.is_wish else "好的，等您来"
        case "move":
            moved = services.move_visit(held, starts_at=moment_of(at), actor=actor, now=now)
            return f"改到{slot_words(moved, now=now)}，{'等门店回一声' if moved.is_wish else '等您来'}"
        case "no":
            services.decline(held, actor=actor, now=now, reason=reason)
            return "知道了，下次再约"
    raise Invalid("没看懂，刷新一下再试")


@panel("my", order=30, name="visits")
def visits_panel(request: HttpRequest, *, member: Member, now: datetime, **_: Any) -> Answer:
    """到店预约 on 会员中心: the one he is asked to."""
    rows = Visit.objects.visible_to(access.actor_of(request)).open().with_people()
    found = rows.filter(ends_at__gt=now).order_by("starts_at", "pk").first()
    return (
        ("member/part_visit.html", {"visit": found, "slot": slot_words(found, now=now), "now": now}) if found else None
    )
