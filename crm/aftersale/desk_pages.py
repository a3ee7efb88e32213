"""/hq/service/: the service desk of HQ: the queue by its clocks, one ticket. Finance reads what is about money."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from guides.org.models import OrgUnit, Staff
from yejibao.core import access, audit, clock, hx, live, nav
from yejibao.core.scope import Actor

from . import lists, queries, telling
from .access_rows import read_ticket
from .acts import act
from .rules import rules
from .showing import mark_of, standing, whole

DESK = ("customer_service", "hq_operator", "hq_crm", "branch_member_manager")
FINANCE = "finance"
PRIORITIES = (("1", "最急"), ("2", "急"), ("3", "一般"), ("4", "不急"))
FILTERS = ("kind", "priority", "branch", "words")


@never_cache
@require_GET
@access.roles(*DESK, FINANCE)
def queue(request: HttpRequest) -> HttpResponse:
    """What came to HQ, what is late anywhere in one's scope, who was unhappy. The first page keeps itself fresh."""
    actor, now, before = access.actor_of(request), clock.now(), request.GET.get("before", "")[:64]
    tabs = _tabs(actor)
    chosen = request.GET.get("tab", "")
    tab = chosen if chosen in dict(tabs) else tabs[0][0]
    wanted = lists.Wanted(tab, **{name: request.GET.get(name, "").strip()[:64] for name in FILTERS})
    page = lists.desk_page(actor, wanted, now=now, before=before)
    facts: dict[str, Any] = {
        "page": page, "tab": tab, "tabs": tabs, "wanted": wanted, "now": now, "states": rules().states, "nav_current": "service",
        "mark": live.mark(tab, page.before, *page.rows), "is_first": not before,
    }  # fmt: skip
    if before or not hx.is_htmx(request):  # not each time the page looks whether something is new
        audit.saw_members(actor, sorted({row.member_id for row in page.rows}), where="售后服务台")
    if before and hx.is_htmx(request):
        return render(request, "aftersale/desk_rows.html", facts)

    def build() -> HttpResponse:
        if hx.is_htmx(request):
            return render(request, "aftersale/desk_rows.html", facts)
        seen = OrgUnit.objects.visible_to(actor).filter(level="branch")
        branches = seen.order_by("name").values_list("path", "name")
        more = {"kinds": rules().names.items(), "priorities": PRIORITIES, "branches": branches}
        return render(request, "aftersale/desk.html", facts | more | {"figures": queries.figures(actor, now=now)})

    return live.answer(request, facts["mark"], build)


@never_cache
@require_GET
@access.roles(*DESK, FINANCE)
def desk_ticket(request: HttpRequest, pk: int) -> HttpResponse:
    """One ticket as HQ sees it: who of the colleagues has it, what to say, what happened."""
    actor, now = access.actor_of(request), clock.now()
    held = read_ticket(actor, pk)
    mark = mark_of(held, clock.local_day(now))

    def build() -> HttpResponse:
        facts = standing(request, held, now=now) | {
            "say_url": reverse("crm:desk-ticket-say", args=[pk]), "nav_current": "service", "at_desk": held.stage == "service",
            "mark": mark, "is_desk": True,
        }  # fmt: skip
        if hx.is_htmx(request):
            return render(request, "aftersale/ticket_part.html", facts)
        audit.saw_members(actor, [held.member_id], where="售后单")
        person: Any = request.user
        mates = Staff.objects.filter(pk__in=telling.holders(telling.SERVICE, now=now)).order_by("name", "pk")
        facts |= {"mates": mates if facts["may_answer"] else []}
        facts |= whole(request, held, facts, called=f"客服{person.name}", now=now)
        return render(request, "aftersale/desk_ticket.html", facts)

    return live.answer(request, mark, build)


@require_POST
@access.roles(*DESK, FINANCE)
def say(request: HttpRequest, pk: int) -> HttpResponse:
    """Any act of a ticket's page (acts.py); who may only read leaves notes."""
    return act(request, pk, back="crm:desk-ticket")


def _tabs(actor: Actor) -> tuple[tuple[str, str], ...]:
    return lists.DESK_TABS if actor.has_role(*DESK) else lists.MONEY_TABS


nav.add(
    "hq", key="service", label="售后服务台", icon="headset", url="crm:service-desk", order=58, roles=(*DESK, FINANCE)
)
