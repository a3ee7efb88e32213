"""话术 beside the chat: search, send with one tap, or copy. What belongs to her task goes out as the task (due panel)."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from crm.members.customers import Customer, NotYourCustomer, customer_of
from crm.members.reaching import why_not_now
from tasks.followups.models import Task
from yejibao.core import access, clock, idempotency, limits
from yejibao.core.errors import Conflict, Invalid, Malformed
from yejibao.core.panels import Answer, panel
from yejibao.core.scope import Actor

from .queries import RECOMMENDED, Card, Wish, library
from .services import note_said

WHO = ("guide", "store_manager")
SHOWN = 12


@dataclass(frozen=True)
class Found:
    """One of the texts, and what can be done with it here: `task` sends it as the task, `plain` without one."""

    card: Card
    way: str  # task | plain | copy


@panel("sidebar", order=35, name="scripts")
def scripts_panel(request: HttpRequest, *, customer: Customer, **_: Any) -> Answer:
    """话术: the search; what it finds is read when she looks for it."""
    if customer.member is None or not customer.may_see_card:
        return None
    return "sidebar/scripts.html", {}


@never_cache
@require_GET
@access.roles(*WHO)
@limits.by("search")
def found(request: HttpRequest) -> HttpResponse:
    """What the search finds; without words what fits her task, or what is used most."""
    customer, now = _customer(request, request.GET.get("external_user_id", "")), clock.now()
    actor = access.actor_of(request)
    words = " ".join(request.GET.get("q", "").split())[:50]
    task = _task(actor, customer, now)
    why_not = why_not_now(customer, store=request.user.store, now=now)  # type: ignore[union-attr]
    wish = Wish(words=words, topic=RECOMMENDED if task and not words else "")
    shelf = library(
        wish, actor=actor, guide=request.user, now=now, task=task, member=customer.member,  # type: ignore[arg-type]
    )  # fmt: skip
    cards = sorted([*shelf.cards, *shelf.own], key=lambda card: not card.fits)
    rows = [Found(card, _way(card, why_not)) for card in cards[:SHOWN]]
    context = {
        "rows": rows, "words": words, "task": task, "why_not": why_not, "customer": customer, "now": now,
        "rest": max(0, len(cards) - SHOWN),
    }  # fmt: skip
    return render(request, "sidebar/scripts_found.html", context)


@require_POST
@access.roles(*WHO)
def said(request: HttpRequest) -> HttpResponse:
    """The client took a text that belongs to no task: keep which words went to whom. Once per key."""
    wanted = _json(request)
    customer, now = _customer(request, wanted["external_user_id"]), clock.now()
    actor = access.actor_of(request)

    def work() -> dict[str, Any]:
        assert customer.member is not None
        note_said(customer.member, script_key=wanted["script_key"], text=wanted["text"], actor=actor, now=now)
        return {"member": str(customer.member.public_id)}

    answer, _replayed = idempotency.once(request, wanted, work)
    return JsonResponse(answer)


@require_POST
@access.roles(*WHO)
def ask(request: HttpRequest) -> HttpResponse:
    """May this text leave for him now? Asked right before it is put into the chat. Raises Conflict with the reason."""
    wanted = _json(request)
    customer = _customer(request, wanted["external_user_id"])
    if why_not := why_not_now(customer, store=request.user.store, now=clock.now()):  # type: ignore[union-attr]
        raise Conflict(why_not)
    return JsonResponse({"text": wanted["text"]})


SHAPE = {"external_user_id": 64, "script_key": 48, "text": 2000}


def _json(request: HttpRequest) -> dict[str, str]:
    try:
        sent = json.loads(request.body)
        found = {name: str(sent.get(name, ""))[:up_to] for name, up_to in SHAPE.items()}
    except (ValueError, AttributeError):
        raise Malformed() from None
    if not found["text"].strip():
        raise Invalid("先写一句话再发")
    return found


def _customer(request: HttpRequest, external: str) -> Customer:
    """Return the customer of her own chat, whose card she may open. Raises NotFound like for nobody."""
    customer = customer_of(access.actor_of(request), external.strip()[:64])
    if customer.member is None or not customer.may_see_card:
        raise NotYourCustomer("先加上好友，再从他的聊天里打开业绩宝。")
    return customer


def _task(actor: Actor, customer: Customer, now: datetime) -> Task | None:
    """Return her most urgent open task for him, as the due panel shows it."""
    mine = Task.objects.visible_to(actor).listed(now).filter(member=customer.member, assignee_id=actor.staff_id)
    return mine.with_people().order_by("priority", "tier_rank", "due_at", "pk").first()


def _way(card: Card, why_not: str) -> str:
    if why_not or not card.may_send:
        return "copy"
    return "task" if card.fits else "plain"
