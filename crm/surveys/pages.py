"""What members said, for the people it is about: a guide's good words, a store's answers, the figures of a scope."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from guides.org import matrix
from guides.org.models import Store
from guides.org.pages import shell_facts
from yejibao.core import access, audit, clock, desk, hx, idempotency, nav, tunables
from yejibao.core.errors import NotFound
from yejibao.core.scope import Actor

from . import queries, services
from .exporting import KEY as EXPORT
from .models import Survey
from .rules import AFTER, CAP_TIMES, rules
from .scoped import FIGURES, READ, REPLY

PRAISED = matrix.owners(READ)
BOARD = tuple(dict.fromkeys((*matrix.leaders(FIGURES), *matrix.leaders(READ))))
GOOD = "good"
PRAISE_OF = timedelta(days=90)
WEEKS_SHOWN = 12


@never_cache
@require_GET
@access.roles(*PRAISED)
def praise(request: HttpRequest) -> HttpResponse:
    """顾客的好话: what members praised her for. Who gave few stars is no matter of hers, nor how many did."""
    actor = access.actor_of(request)
    page = queries.comments(actor, tab=GOOD, guide=actor.staff_id or 0, before=request.GET.get("before", "")[:64])
    facts = {"page": page, "book": rules().kinds, **shell_facts(actor, "surveys")}
    if hx.is_htmx(request) and request.GET.get("before"):
        return render(request, "surveys/praise_rows.html", facts)
    praised = queries.praise_of(actor.staff_id or 0, since=clock.now() - PRAISE_OF)
    return render(request, "surveys/praise.html", facts | {"praise": praised})


@never_cache
@require_GET
@access.roles(*BOARD)
def board(request: HttpRequest) -> HttpResponse:
    """评价: figures, week by week, for what, by store and guide, and what was said, in one's scope."""
    actor, now, asked = access.actor_of(request), clock.now(), request.GET
    tab, kind = asked.get("tab", ""), asked.get("kind", "")
    tab = tab if tab in dict(queries.TABS) else queries.TABS[0][0]
    kind = kind if kind in rules().kinds else ""
    store = _store(actor, asked.get("store"))
    page = queries.comments(
        actor, tab=tab, kind=kind, store=store.pk if store else None, before=asked.get("before", "")[:64]
    )
    audit.saw_members(actor, sorted({row.member_id for row in page.rows}), where="顾客评价")
    facts: dict[str, Any] = {
        "page": page, "tab": tab, "tabs": queries.TABS, "kind": kind, "book": rules().kinds, "store": store,
        "may_reply": queries.may_reply(actor, page.rows), "reads": actor.has_role(*matrix.leaders(READ)),
        "names": _names_members(actor), "export": EXPORT if actor.has_role(*matrix.leaders(FIGURES)) else "", **shell_facts(actor, "surveys"),
    }  # fmt: skip
    if hx.is_htmx(request) and asked.get("before"):
        return render(request, "surveys/rows.html", facts)
    days = queries.days_of(asked.get("days", ""))
    span = queries.days_back(now, days, kind)
    weeks = queries.by_week(actor, queries.days_back(now, WEEKS_SHOWN * 7, kind))
    good, bad = queries.reasons(actor, span)
    sums = queries.figures(actor, span)
    facts |= {
        "days": days, "periods": queries.DAYS, "figures": sums, "asked_note": f"请了 {sums.asked:,} 次", "good": good, "bad": bad,
        "most": max((times for _name, times in (*good, *bad)), default=1),
        "week_names": [f"{day.month}/{day.day}" for day, _figures in weeks],
        "week_means": [round(one.mean or 0, 1) for _day, one in weeks], "has_weeks": any(one.answered for _day, one in weeks),
        "stores": queries.by_store(actor, span), "guides": queries.by_guide(actor, span),
    }  # fmt: skip
    return render(request, "surveys/board.html", facts)


def _store(actor: Actor, text: str | None) -> Store | None:
    """Return the store a list is narrowed to; one out of sight is none."""
    number = desk.chosen(text)
    return Store.objects.visible_to(actor).filter(pk=number).first() if number else None


def _names_members(actor: Actor) -> bool:
    """Tell whether the list says who it was: in a store one calls him, at HQ one reads what he said."""
    return actor.has_role("store_manager")


@require_POST
@access.roles(*matrix.leaders(REPLY))
def reply(request: HttpRequest, pk: int) -> HttpResponse:
    """Say something to what he said; he reads it on his page."""
    actor, text = access.actor_of(request), request.POST.get("text", "")
    found = Survey.objects.visible_to(actor).answered().filter(pk=pk).first()
    if found is None:
        raise NotFound()

    def work() -> dict[str, Any]:
        services.reply(found, text, actor=actor, now=clock.now())
        return {}

    idempotency.once(request, {"text": text}, work)
    return desk.done(request, "回复了，他在会员页里看得到", reverse("crm:surveys"))


@never_cache
@require_GET
@access.roles("hq_operator", "hq_crm")
def when(request: HttpRequest) -> HttpResponse:
    """什么时候问: the rules as they hold, each with the way to change it."""
    standings = tunables.standings([*AFTER.values(), CAP_TIMES], now=clock.now())
    facts = {"standings": standings, "rules": rules(), "nav_current": "surveys"}
    return render(request, "surveys/when.html", facts)


nav.add("tools", key="praise", label="顾客好话", icon="smile", url="crm:praise", order=46, roles=("guide",))
nav.add("me", key="surveys", label="顾客评价", icon="star", url="crm:surveys", order=34,
        roles=("store_manager", "area_supervisor", "region_manager", "branch_manager"))  # fmt: skip
nav.add("hq", key="surveys", label="顾客评价", icon="star", url="crm:surveys", order=59, roles=BOARD)
