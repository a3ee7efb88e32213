"""量身定制 on the member's phone: an appointment, his measures, his word before it is cut, and how far it is."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from crm.members.models import Member
from crm.tailoring import queries, services
from crm.tailoring.forms import read_slot
from crm.tailoring.models import Fitting
from crm.tailoring.rules import MOVE_HOURS, rules
from crm.tailoring.slot_pages import chosen_store, slot_facts
from guides.org.models import Store
from yejibao.core import access, clock, desk, hx, live, nav, paging
from yejibao.core.errors import DomainError, Invalid
from yejibao.core.panels import Answer, panel

from .places import find_one, member_of
from .stores import with_spots

PAGE = 10

nav.add("member-tools", key="fittings", label="量身定制", icon="ruler", url="crm:my-fittings", order=25)


def _own(request: HttpRequest, public_id: UUID) -> Fitting:
    return find_one(Fitting.objects.visible_to(access.actor_of(request)).with_people(), public_id)


@never_cache
@require_GET
@access.member
def fittings(request: HttpRequest) -> HttpResponse:
    """His appointments and garments, the newest first, and the way to his size file."""
    actor, now = access.actor_of(request), clock.now()
    rows = Fitting.objects.visible_to(actor).select_related("store", "guide")
    found, before = paging.page(rows, "starts_at", before=request.GET.get("before", ""), size=PAGE)
    more = f"{reverse('crm:my-fittings')}?before={before}" if before else ""
    facts = {
        "rows": [(row, services.garment_words(row) if row.garment else "") for row in found], "more": more, "now": now,
        "newest": queries.newest_measure(member_of(request).pk), "is_booked": any(row.state == "booked" for row in found),
    }  # fmt: skip
    return render(request, "member/fitting_rows.html" if hx.is_htmx(request) else "member/fittings.html", facts)


@never_cache
@require_GET
@access.member
def sizes(request: HttpRequest) -> HttpResponse:
    """尺码档案: what was measured of him, when and where, and how it changed."""
    return render(
        request,
        "member/sizes.html",
        {"file": queries.size_file(access.actor_of(request), member_of(request)), "now": clock.now()},
    )


@never_cache
@require_http_methods(["GET", "POST"])
@access.member
def new_fitting(request: HttpRequest) -> HttpResponse:
    """约量体: the store, the day, the time; his own guide measures where she is there."""
    member, actor, now = member_of(request), access.actor_of(request), clock.now()
    stores = queries.stores_for(member, today=clock.today())
    if not stores:
        return render(request, "member/fitting_new.html", {"is_nowhere": True})
    store = chosen_store(request, stores)
    refusal: DomainError | None = None
    if request.method == "POST":
        given = request.POST

        def work() -> dict[str, Any]:
            made = services.book_fitting(
                member,
                store=store,
                starts_at=read_slot(given.get("slot", "")),
                wish=given.get("wish", ""),
                actor=actor,
                now=now,
            )
            return {"fitting": str(made.public_id)}

        answer, refusal = desk.attempt(
            request, {"slot": given.get("slot", ""), "store": store.pk, "wish": given.get("wish", "")}, work
        )
        if refusal is None:
            return desk.done(request, "约好了", reverse("crm:my-fitting", args=[answer["fitting"]]))
    facts = slot_facts(request, with_spots(stores), store, for_member=True)
    facts |= {
        "refusal": refusal,
        "wish": request.POST.get("wish", ""),
        "guide": _guide_at(member, store),
        "hours_before": MOVE_HOURS.at(now),
    }
    return render(request, "member/fitting_new.html", facts, status=refusal.status if refusal else 200)


@never_cache
@require_http_methods(["GET", "POST"])
@access.member
def move(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """改约, up to some hours before."""
    member, actor, now = member_of(request), access.actor_of(request), clock.now()
    held = _own(request, public_id)
    stores = list({one.pk: one for one in (held.store, *queries.stores_for(member, today=clock.today()))}.values())
    store = chosen_store(request, stores)
    refusal: DomainError | None = None
    if request.method == "POST":
        slot = request.POST.get("slot", "")

        def work() -> dict[str, Any]:
            services.move_fitting(held, starts_at=read_slot(slot), store=store, actor=actor, now=now)
            return {}

        _answer, refusal = desk.attempt(request, {"slot": slot, "store": store.pk}, work)
        if refusal is None:
            return desk.done(request, "改好了", reverse("crm:my-fitting", args=[public_id]))
    facts = slot_facts(request, with_spots(stores), store, for_member=True, but=held.pk)
    facts |= {"refusal": refusal, "moved": held, "guide": _guide_at(member, store), "hours_before": MOVE_HOURS.at(now)}
    return render(request, "member/fitting_new.html", facts, status=refusal.status if refusal else 200)


@never_cache
@require_GET
@access.member
def fitting(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """One: when and with whom, his measures and what is made, and how far it is. Refreshes itself."""
    held, now = _own(request, public_id), clock.now()
    steps = queries.steps_of(held, for_member=True)
    mark = live.mark(held, len(steps))

    def build() -> HttpResponse:
        before = queries.newest_measure(held.member_id, but=held.measure_id) if held.measure else None
        facts = {
            "fitting": held, "steps": steps, "mark": mark, "now": now,
            "garment": rules().garments.get(held.garment), "terms": rules().terms, "seen": services.mark_of(held),
            "lines": queries.measure_lines(held.measure.values, before.values if before else {}) if held.measure else [],
            "until": queries.may_move_until(held, now=now), "serving": services.serving_names(held),
            "path": queries.path_of(held), "live_url": request.path,
        }  # fmt: skip
        return render(request, "member/fitting_state.html" if hx.is_htmx(request) else "member/fitting.html", facts)

    return live.answer(request, mark, build)


@require_POST
@access.member
def act(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """He confirms his measures and the making, or calls it off."""
    actor, held, given, now = access.actor_of(request), _own(request, public_id), request.POST, clock.now()
    content = {name: given.get(name, "") for name in ("do", "seen", "agree", "text")}

    def work() -> dict[str, Any]:
        match content["do"]:
            case "confirm":
                if content["agree"] != "1":
                    raise Invalid("请先看过并勾选「开始制作后不退换」")
                services.confirm_by_member(held, seen=content["seen"], actor=actor, now=now)
                return {"said": "确认了，导购马上安排制作"}
            case "cancel":
                services.cancel_fitting(held, reason=content["text"], actor=actor, now=now)
                return {"said": "取消了"}
        raise Invalid("没看懂，刷新一下再试")

    answer, refusal = desk.attempt(request, content, work)
    said = desk.sentence(refusal) if refusal else answer["said"]
    return desk.done(request, said, reverse("crm:my-fitting", args=[public_id]))


def _guide_at(member: Member, store: Store) -> str:
    """Return his own guide's name where she works in the store."""
    own = member.owner_guide
    return (own.display_name or own.name) if own and own.store_id == store.pk and own.is_active else ""


@panel("my", order=45, name="fittings")
def fittings_panel(request: HttpRequest, *, member: Member, now: datetime, **_: Any) -> Answer:
    """量身定制 on 会员中心: the next appointment, what waits for his word, what is being made."""
    found = queries.fittings_of(member, access.actor_of(request))
    return ("member/part_fittings.html", {"fittings": found, "now": now}) if found else None
