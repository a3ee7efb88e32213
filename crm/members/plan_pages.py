"""交接方案: who takes over whom, with the platform's limits; confirmed once, then how far it is and what is left to decide."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from guides.org.models import Staff
from yejibao.core import access, clock, hx, idempotency
from yejibao.core.errors import DomainError, Invalid, NotFound
from yejibao.core.scope import Actor

from .handover_pages import WHO
from .handovers import Candidate, Waiting, takers_for, waiting_handovers
from .models import FriendTransfer, GuideHandover
from .progress import progress_of
from .services import AlreadyHandedOver, PlanChanged, confirm_plan, replan, save_plan, withdraw_handover
from .services.plans import ROOM, TIERS, Plan, friend_counts, limits_of, shares_of

TIER_NAMES = {"core": "核心", "potential": "潜力", "common": "普通", "lapsed": "一年未消费", "unconsumed": "未消费"}


@dataclass(frozen=True)
class TakerLine:
    """One colleague on the plan: whether he takes part, what he has and what he would get."""

    candidate: Candidate
    is_taking: bool
    count: int
    known: int
    friends: int
    room: int  # friends a person may have

    @property
    def over_room(self) -> bool:
        """Tell whether the platform's usual ceiling of friends may not hold what he gets."""
        return self.friends + self.count > self.room


@dataclass(frozen=True)
class GroupLine:
    """One tier of her members: how they are split, and to whom it goes whole if to one (0: shared)."""

    tier: str
    name: str
    count: int
    split: list[tuple[str, int]]
    taker_id: int


def _handover(actor: Actor, pk: int) -> GuideHandover:
    found = GuideHandover.objects.visible_to(actor).select_related("guide", "store", "heir", "decided_by").filter(pk=pk)
    handover = found.first()
    if handover is None:
        raise NotFound()
    return handover


@never_cache
@require_GET
@access.roles(*WHO)
def handover(request: HttpRequest, pk: int) -> HttpResponse:
    """The plan while it waits, how far it is afterwards."""
    actor, now = access.actor_of(request), clock.now()
    found = _handover(actor, pk)
    if found.state == GuideHandover.State.PROPOSED:
        return render(request, "members/handover_plan.html", _plan_facts(actor, found, now))
    facts = {"handover": found, "now": now, "nav_current": "handovers"}
    if found.state == GuideHandover.State.DONE:
        facts |= {"progress": progress_of(found, now=now), "people": _takers(actor, found)}
    return render(request, "members/handover_progress.html", facts)


@require_POST
@access.roles(*WHO)
def plan(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep what was ticked or chosen, and show what follows from it."""
    actor, now = access.actor_of(request), clock.now()
    found = _handover(actor, pk)
    wanted, version = _read(request, found)

    def work() -> dict[str, Any]:
        return {"version": save_plan(found, plan=wanted, version=version, actor=actor, now=now).version}

    idempotency.once(request, wanted.as_json() | {"version": version}, work)
    if not hx.is_htmx(request):
        return HttpResponseRedirect(reverse("crm:handover", args=[pk]))
    return render(request, "members/plan_form.html", _plan_facts(actor, _handover(actor, pk), now))


@require_POST
@access.roles(*WHO)
def confirm(request: HttpRequest, pk: int) -> HttpResponse:
    """确认交接: what the page showed, once."""
    actor, now = access.actor_of(request), clock.now()
    found = _handover(actor, pk)
    wanted, version = _read(request, found)

    def work() -> dict[str, Any]:
        confirm_plan(found, plan=wanted, version=version, actor=actor, now=now)
        return {"said": f"{found.guide.name}的会员交接好了，微信好友正在转"}

    page = reverse("crm:handover", args=[pk])
    try:
        answer, _ = idempotency.once(request, wanted.as_json() | {"version": version}, work)
    except DomainError as refusal:
        if refusal.code not in (PlanChanged.code, AlreadyHandedOver.code):
            raise
        hx.flash(request, str(refusal.title))
        return HttpResponseRedirect(page)
    hx.flash(request, answer["said"])
    return HttpResponseRedirect(page)


@require_POST
@access.roles(*WHO)
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """不交了: she stays after all."""
    found = _handover(access.actor_of(request), pk)

    def work() -> dict[str, Any]:
        withdraw_handover(found, actor=access.actor_of(request), now=clock.now())
        return {}

    idempotency.once(request, {}, work)
    hx.flash(request, f"{found.guide.name}的会员不交了")
    return HttpResponseRedirect(reverse("crm:handovers"))


@require_POST
@access.roles(*WHO)
def again(request: HttpRequest, pk: int) -> HttpResponse:
    """没转成的: another one takes them, or they stay as they are."""
    actor, now = access.actor_of(request), clock.now()
    found = _handover(actor, pk)
    state, taker, only = (request.POST.get(name, "") for name in ("state", "taker", "only"))
    chosen = request.POST.get("to", "")
    if state not in FriendTransfer.UNDONE or not taker.isdigit() or not (only or "0").isdigit():
        raise Invalid("没看懂是哪几位，重新点一下")
    people = {str(one.pk): one for one in _takers(actor, found)}
    if chosen != "stay" and chosen not in people:
        raise Invalid("从名单里选一位")
    to = people.get(chosen)

    def work() -> dict[str, Any]:
        count = replan(found, state=state, taker_id=int(taker), only=int(only or 0), to=to, actor=actor, now=now)
        return {"said": f"{count} 位改由{to.name}接手" if to else f"{count} 位就这样，不再转了"}

    answer, _ = idempotency.once(request, {"state": state, "taker": taker, "only": only, "to": chosen}, work)
    hx.flash(request, answer["said"])
    return HttpResponseRedirect(reverse("crm:handover", args=[pk]))


# ---------------------------------------------------------------- what stands on the page


def _waiting(actor: Actor, found: GuideHandover, now: datetime) -> Waiting:
    rows = waiting_handovers(actor, now=now, pk=found.pk)
    if not rows:
        raise AlreadyHandedOver()
    return rows[0]


def _takers(actor: Actor, found: GuideHandover) -> list[Staff]:
    """Return who may take what did not go over: the store's people, and the guide herself if she still works here."""
    people = takers_for(actor, found, day=clock.today())
    return people + ([found.guide] if not found.is_resigned and found.guide.is_active else [])


def suggest(waiting: Waiting) -> Plan:
    """Return the plan nobody has touched yet: all guides of the store who are there, else whoever would be the heir."""
    there = [one.person.pk for one in waiting.candidates if one.is_guide and one.person.state == Staff.State.ACTIVE]
    there = there or [one.person.pk for one in waiting.candidates[:1]]
    return Plan(takers=tuple(sorted(there)))


def _read(request: HttpRequest, found: GuideHandover) -> tuple[Plan, int]:
    """Read the form: boxes of takers, a choice for each group. What is not on the page comes from the saved plan."""
    post = request.POST
    numbers = [value for value in post.getlist("taker") if value.isdigit()]
    groups = {tier: int(value) for tier in TIERS if (value := post.get(f"group-{tier}", "")).isdigit() and value != "0"}
    version = post.get("version", "")
    if not version.isdigit():
        raise Invalid("页面太旧了，刷新一下")
    kept = Plan.of(found)
    return Plan(tuple(dict.fromkeys(map(int, numbers))), groups, kept.members if kept else {}), int(version)


def _plan_facts(actor: Actor, found: GuideHandover, now: datetime) -> dict[str, Any]:
    waiting = _waiting(actor, found, now)
    current = Plan.of(found) or suggest(waiting)
    shares = shares_of(found, current) if current.heir_id else []
    people = {one.person.pk: one for one in waiting.candidates}
    names = {pk: one.person.name for pk, one in people.items()} | {found.guide_id: f"跟{found.guide.name}走"}
    has, room = friend_counts([*people]), ROOM.at(now)
    takers = [
        TakerLine(
            one, pk in current.takers, sum(s.count for s in shares if s.taker_id == pk),
            sum(s.known for s in shares if s.taker_id == pk), has.get(pk, 0), room,
        )
        for pk, one in people.items()
    ]  # fmt: skip
    groups = []
    for tier in TIERS:
        rows = [one for one in shares if one.tier == tier]
        if rows:
            split = [(names.get(one.taker_id or 0, "还没人"), one.count) for one in rows]
            groups.append(
                GroupLine(tier, TIER_NAMES[tier], sum(one.count for one in rows), split, current.groups.get(tier, 0))
            )
    return {
        "handover": found,
        "waiting": waiting,
        "takers": takers,
        "groups": groups,
        "choices": [(pk, one.person.name) for pk, one in people.items()],
        "limits": limits_of(found, now=now),
        "total": sum(one.count for one in shares if one.taker_id != found.guide_id),
        "along": sum(one.count for one in shares if one.taker_id == found.guide_id),
        "can_confirm": current.heir_id is not None,
        "now": now,
        "nav_current": "handovers",
    }
