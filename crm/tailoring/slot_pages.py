"""帮他约, 改约: a slot of the own store, or of another near by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from crm.members.models import Member
from guides.org.models import Store
from guides.org.pages import shell_facts
from yejibao.core import access, clock, desk
from yejibao.core.errors import DomainError, NotFound
from yejibao.core.scope import Actor

from . import queries, services
from .forms import read_slot
from .pages import SERVERS, read_fitting


@never_cache
@require_http_methods(["GET", "POST"])
@access.roles(*SERVERS)
def new_fitting(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """帮他约: a slot of the own store, or of another near by."""
    actor, now = access.actor_of(request), clock.now()
    member = Member.objects.visible_to(actor).select_related("owner_guide").filter(public_id=public_id).first()
    if member is None:
        raise NotFound()
    stores = stores_to_choose(member, actor)
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
            return {"fitting": made.pk}

        answer, refusal = desk.attempt(request, {"slot": given.get("slot", ""), "store": store.pk}, work)
        if refusal is None:
            return desk.done(request, "约好了，他在会员中心看得到", reverse("crm:fitting", args=[answer["fitting"]]))
    facts = slot_facts(request, stores, store, for_member=False) | {
        "member": member,
        "refusal": refusal,
        "wish": request.POST.get("wish", ""),
    }
    return render(
        request, "fittings/new.html", facts | shell_facts(actor, "service"), status=refusal.status if refusal else 200
    )


@never_cache
@require_http_methods(["GET", "POST"])
@access.roles(*SERVERS)
def move(request: HttpRequest, pk: int) -> HttpResponse:
    """改约: another slot, at another store perhaps."""
    actor, now = access.actor_of(request), clock.now()
    held = read_fitting(actor, pk)
    stores = stores_to_choose(held.member, actor, first=held.store)
    store = chosen_store(request, stores)
    refusal: DomainError | None = None
    if request.method == "POST":
        given = request.POST

        def work() -> dict[str, Any]:
            services.move_fitting(held, starts_at=read_slot(given.get("slot", "")), store=store, actor=actor, now=now)
            return {}

        _answer, refusal = desk.attempt(request, {"slot": given.get("slot", ""), "store": store.pk}, work)
        if refusal is None:
            return desk.done(request, "改好了，去告诉他一声", reverse("crm:fitting", args=[pk]))
    facts = slot_facts(request, stores, store, for_member=False, but=held.pk) | {
        "member": held.member,
        "moved": held,
        "refusal": refusal,
    }
    return render(
        request, "fittings/new.html", facts | shell_facts(actor, "service"), status=refusal.status if refusal else 200
    )


def stores_to_choose(member: Member, actor: Actor, *, first: Store | None = None) -> list[Store]:
    """Return where he may be measured, her own store first. Raises NotFound where there is none."""
    near = queries.stores_for(member, today=clock.today())
    own = Store.objects.filter(pk=actor.store_id or 0).exclude(fitting_plan__is_offered=False).first()
    found = {one.pk: one for one in (first, own, *near) if one is not None}
    if not found:
        raise NotFound("附近还没有能量体的门店")
    return list(found.values())


def chosen_store(request: HttpRequest, stores: list[Store]) -> Store:
    asked = desk.chosen(request.POST.get("store") or request.GET.get("store"))
    return next((one for one in stores if one.pk == asked), stores[0])


def slot_facts(
    request: HttpRequest, stores: Sequence[Store], store: Store, *, for_member: bool, but: int | None = None
) -> dict[str, Any]:  # fmt: skip
    """Return what the choice of a slot shows: the days with a place, and the times of the one that is looked at."""
    now = clock.now()
    days = queries.bookable(store, now=now, for_member=for_member, but=but)
    asked = desk.day(request.GET.get("day"))
    day = next((one for one in days if one.day == asked), None) or next((one for one in days if one.has_free), None)
    return {
        "stores": stores,
        "store": store,
        "days": days,
        "day": day,
        "now": now,
        "hours": queries.plan_of(store),
        "today": clock.local_day(now),
    }
