"""要换要改: three chips under the outcome, each opens an after-sale ticket; on the task page and beside the chat."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_POST

from crm.aftersale.models import Ticket
from crm.aftersale.rules import rules
from yejibao.core import access, clock, hx, idempotency
from yejibao.core.errors import Invalid
from yejibao.core.scope import Actor

from .models import Task
from .queries import read_task
from .services.fitting import (
    FIT_KINDS,
    PICKUP_WITHIN,
    fit_ticket,
    may_take_back,
    open_fit_ticket,
    take_back_fit_ticket,
)


@dataclass(frozen=True)
class Fit:
    """What stands under 要换要改: the chips, or the ticket that is open."""

    task_id: int
    ticket: Ticket | None
    state_name: str
    can_act: bool
    can_take_back: bool
    first_day: date
    last_day: date

    @property
    def kinds(self) -> list[tuple[str, str]]:
        return [(str(kind), str(kind.label)) for kind in FIT_KINDS]

    @property
    def asks_pickup(self) -> bool:
        return bool(self.can_act and self.ticket and self.ticket.kind == "alteration" and not self.ticket.pickup_at)


def fit_of(task: Task, *, actor: Actor, now: datetime) -> Fit | None:
    """Return what to show for a task; None unless its outcome is 要换要改. One statement, only then."""
    if task.state != Task.State.DONE or task.outcome != "fit_problem" or not task.order_id:
        return None
    ticket, can_act, today = fit_ticket(task), task.assignee_id == actor.staff_id, clock.local_day(now)
    return Fit(
        task_id=task.pk,
        ticket=ticket,
        state_name=rules().states.get(ticket.state, "") if ticket else "",
        can_act=can_act,
        can_take_back=bool(ticket and can_act and may_take_back(ticket, now=now)),
        first_day=today,
        last_day=today + PICKUP_WITHIN,
    )


@require_POST
@access.roles("guide", "store_manager")
def fit(request: HttpRequest, pk: int) -> HttpResponse:
    """换尺码 / 换款 / 改衣: one tap opens the ticket, the second one finds it open. 改衣 may say when to collect."""
    actor = access.actor_of(request)
    found, now = read_task(actor, pk), clock.now()
    kind, day = request.POST.get("kind", ""), _day(request.POST.get("pickup_on", ""))

    def work() -> dict[str, Any]:
        ticket, is_new = open_fit_ticket(found, kind=kind, pickup_on=day, actor=actor, now=now)
        name = ticket.get_kind_display()
        if is_new:
            said = f"给{found.member.called}开了售后单：{name}"
        else:
            said = "记下取衣日期了" if day and ticket.kind == kind else f"已开售后单：{name}"
        return {"ticket_id": ticket.pk, "kind": ticket.kind, "state": ticket.state, "is_new": is_new, "said": said}

    answer, _ = idempotency.once(request, {"kind": kind, "pickup_on": day}, work)
    return _answer(request, found, answer, now)


@require_POST
@access.roles("guide", "store_manager")
def take_back(request: HttpRequest, pk: int) -> HttpResponse:
    """点错了: cancel the ticket opened a moment ago."""
    actor = access.actor_of(request)
    found, now = read_task(actor, pk), clock.now()

    def work() -> dict[str, Any]:
        take_back_fit_ticket(found, actor=actor, now=now)
        return {"said": "售后单撤销了，可以重新选"}

    answer, _ = idempotency.once(request, {}, work)
    return _answer(request, found, answer, now)


def _answer(request: HttpRequest, task: Task, answer: dict[str, Any], now: datetime) -> HttpResponse:
    """Answer in the caller's way: the block anew with a toast, JSON, or back to the task."""
    if hx.is_htmx(request):
        task.refresh_from_db(fields=["state", "outcome"])
        block = {"fit": fit_of(task, actor=access.actor_of(request), now=now), "now": now}
        return hx.toast(render(request, "tasks/fit_ticket.html", block), answer["said"])
    if "text/html" not in request.headers.get("Accept", ""):
        return JsonResponse(answer)
    hx.flash(request, answer["said"])
    return HttpResponseRedirect(reverse("tasks:task", args=[task.pk]))


def _day(text: str) -> date | None:
    """Read a date field. Raises Invalid."""
    if not text:
        return None
    try:
        day = parse_date(text)
    except ValueError:
        day = None
    if day is None:
        raise Invalid("日期没看懂，重新选一下")
    return day
