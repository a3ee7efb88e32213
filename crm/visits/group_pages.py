"""集体邀约: a manager's list of members, counted before it goes out; how far it is, and who was left out and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from crm.benefits.forms import facts as audience_facts
from crm.benefits.forms import read_conditions
from crm.benefits.services import Conditions
from guides.org.models import OrgUnit
from guides.org.pages import shell_facts
from yejibao.core import access, clock, desk, hx, live, paging
from yejibao.core.errors import NotFound
from yejibao.core.scope import Actor

from . import queries, services
from .figure_pages import AT_HQ, MAKERS, STATE_NAMES, home_of
from .models import Kind, VisitGroup
from .queries import Asked
from .scoped import GROUP

PAGE = 20
NEVER = datetime(1970, 1, 2, tzinfo=clock.SHANGHAI)  # stands for what is no time: the service says that it is over
LEFT_OUT = {
    "do_not_contact": "说过别再打扰", "unsubscribed": "退订了企微消息", "no_guide": "没有导购或门店", "store_closed": "门店那时不营业",
    "invited": "已经约着了", "lately": "14 天内邀过", "aftersale": "投诉或退货没办完",
}  # fmt: skip


@never_cache
@require_http_methods(["GET", "POST"])
@access.roles(*MAKERS)
def new_group(request: HttpRequest) -> HttpResponse:
    """集体邀约: what for, when, whom; counted before it goes out."""
    actor, now, given = access.actor_of(request), clock.now(), request.POST
    home = home_of(actor, GROUP)
    day = clock.local_day(now) + timedelta(days=3)
    facts = audience_facts() | {
        "home": home, "kinds": Kind.choices, "given": given, "chosen": _chosen(given), "day": day,
        "today": clock.local_day(now), "last": clock.local_day(now) + timedelta(days=60), **shell_facts(actor, "visits"),
    }  # fmt: skip
    if request.method == "GET":
        return render(request, "visits/group_new.html", facts)
    conditions = _conditions(request, home)
    if given.get("act") == "count":
        path = services.reach_of(actor, home)
        return render(
            request, "visits/group_new.html", facts | {"meant": services.meant(conditions, scope_path=path).count()}
        )

    def work() -> dict[str, Any]:
        return {"group": services.plan_group(_plan(given), conditions, unit=home, actor=actor, now=now).pk}

    answer, refusal = desk.attempt(request, desk.posted(given), work)
    if refusal is not None:
        wrong = [one["message"] for one in refusal.errors] or [desk.sentence(refusal)]
        return render(request, "visits/group_new.html", facts | {"wrong": wrong}, status=refusal.status)
    return desk.done(request, "排上了，一分钟内分给各位导购", reverse("crm:visit-group", args=[answer["group"]]))


def _chosen(given: Any) -> set[str]:
    return {one for name in ("levels", "tiers", "stages") for one in given.getlist(name)} if given else set()


def _conditions(request: HttpRequest, home: OrgUnit) -> Conditions:
    return replace(read_conditions(request.POST), unit_id=home.pk if home.level != OrgUnit.Level.HQ else None)


def _plan(given: Any) -> services.GroupPlan:
    """Read the form; what cannot be read is a time that is not possible."""
    day, asks_on = desk.day(given.get("day")), desk.day(given.get("asks_on"))
    return services.GroupPlan(
        title=given.get("title", ""), kind=given.get("kind", ""), asks_on=asks_on or NEVER.date(),
        starts_at=_moment(day, given.get("from", "")), ends_at=_moment(day, given.get("to", "")),
    )  # fmt: skip


def _moment(day: date | None, text: str) -> datetime:
    at = desk.hour(text)
    return clock.local_moment(day, at) if day and at and day > NEVER.date() else NEVER


@never_cache
@require_GET
@access.roles(*MAKERS)
def groups(request: HttpRequest) -> HttpResponse:
    """All lists, the newest first."""
    actor = access.actor_of(request)
    rows = VisitGroup.objects.visible_to(actor).select_related("unit", "made_by")
    found, before = paging.page(rows, "made_at", before=request.GET.get("before", "")[:64], size=PAGE)
    facts = {"groups": found, "before": before, **shell_facts(actor, "visits")}
    return render(request, "visits/group_rows.html" if hx.is_htmx(request) else "visits/groups.html", facts)


def _group(actor: Actor, pk: int) -> VisitGroup:
    found = VisitGroup.objects.visible_to(actor).select_related("unit", "made_by").filter(pk=pk).first()
    if found is None:
        raise NotFound()
    return found


@never_cache
@require_GET
@access.roles(*MAKERS)
def group(request: HttpRequest, pk: int) -> HttpResponse:
    """One list: how far it is, who was left out and why, the chain of those who were asked, guide by guide."""
    actor = access.actor_of(request)
    held = _group(actor, pk)
    day = clock.local_day(held.starts_at)
    asked = Asked(min(day, clock.local_day(held.made_at)), date(9000, 1, 1), group_id=held.pk)
    home = home_of(actor, GROUP)
    is_store = home.level == OrgUnit.Level.STORE
    if is_store:
        rows = [
            replace(chain, name=guide.name if guide else "没有导购") for guide, chain in queries.by_guide(actor, asked)
        ]
    else:
        rows = [replace(chain, name=unit.name) for unit, chain in queries.by_unit(actor, asked, below=home)]
    facts = {
        "group": held, "whole": queries.chain_of(actor, asked), "rows": rows, "day": day,
        "left_out": [(LEFT_OUT.get(why, why), count) for why, count in sorted(held.left_out.items(), key=lambda one: -one[1])],
        "states": STATE_NAMES, "list_url": reverse("crm:hq-visit-behind" if actor.has_role(*AT_HQ) else "crm:visit-behind"),
        **shell_facts(actor, "visits"),
    }  # fmt: skip
    mark = live.mark(held, facts["whole"])
    template = "visits/group_body.html" if hx.is_htmx(request) else "visits/group.html"
    return live.answer(request, mark, lambda: render(request, template, facts | {"mark": mark}))


@require_POST
@access.roles(*MAKERS)
def stop(request: HttpRequest, pk: int) -> HttpResponse:
    """停: who was not told yet is not asked any more."""
    actor, now = access.actor_of(request), clock.now()
    held = _group(actor, pk)

    def work() -> dict[str, Any]:
        return {"count": services.stop_group(held, actor=actor, now=now)}

    answer, refusal = desk.attempt(request, {"stop": pk}, work)
    said = desk.sentence(refusal) if refusal else f"停了，{answer['count']} 位还没邀约的不再邀"
    return desk.done(request, said, reverse("crm:visit-group", args=[pk]))
