"""The tap on 下一步: it becomes a task, and the task is what opens."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from crm.members.opening import open_card
from crm.nextbest.facts import READS, facts_of
from crm.nextbest.rules import choose
from yejibao.core import access, clock, hx, together

from .services.next_best import NothingToDo, take_next_best


@never_cache
@require_POST
@access.roles("guide", "store_manager")
def take(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Make the task, if that is still what is to be done; else the card says what is.

    A second tap finds the task on the list: it needs no key of its own.
    """
    actor, now = access.actor_of(request), clock.now()
    customer = open_card(request, public_id)
    together.fetch(request, READS)
    member, card = customer.member, reverse("crm:member", args=[public_id])
    assert member is not None
    chosen = choose(facts_of(request, customer, now=now)).action
    if chosen is None or chosen.rule != request.POST.get("rule") or not chosen.can_take:
        hx.flash(request, str(NothingToDo.title))
        return HttpResponseRedirect(chosen.url if chosen and chosen.rule == "task" and chosen.is_for_me else card)

    task = take_next_best(member, chosen, actor=actor, now=now)
    if task.assignee_id == actor.staff_id:
        return HttpResponseRedirect(reverse("tasks:task", args=[task.pk]))
    hx.flash(request, f"派给{task.assignee.name}了")
    return HttpResponseRedirect(card)
