"""盘点 for who looks after it: plan one, see it go on, read what differs, have it counted again, let it into the stock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from guides.org import matrix
from guides.org.models import Store
from guides.org.pages import shell_facts
from yejibao.core import access, clock, desk, hx, nav, paging
from yejibao.core.errors import Invalid, NotFound
from yejibao.core.scope import Actor

from . import services
from .models import Stocktake, StocktakeLine
from .queries import (
    categories_of,
    clashes,
    differences,
    late_scans,
    people_of,
    progress_of,
    silent_phones,
    sums_of,
    unknown_codes,
)
from .scoped import CREATE, READ, stores_of

LEADERS = matrix.leaders(READ)
SHOWN = 20


# ---------------------------------------------------------------- all of them


@never_cache
@require_GET
@access.roles(*LEADERS)
def stocktakes(request: HttpRequest) -> HttpResponse:
    """Those of the stores in reach, the newest first; with ?of=open only what is not over."""
    actor = access.actor_of(request)
    of = "open" if request.GET.get("of") == "open" else ""
    rows = Stocktake.objects.visible_to(actor).with_people()
    rows = rows.filter(state__in=Stocktake.OPEN) if of else rows
    found, before = paging.page(rows, "created_at", before=request.GET.get("before", ""), size=SHOWN)
    facts = {"rows": found, "before": before, "of": of, "may_create": actor.has_role(*matrix.holders(CREATE)),
             "many_stores": not actor.store_id}  # fmt: skip
    template = "stocktake/rows.html" if hx.is_htmx(request) else "stocktake/list.html"
    return render(request, template, facts | shell_facts(actor, "stocktakes"))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles(*matrix.holders(CREATE))
def new(request: HttpRequest) -> HttpResponse:
    """新的盘点: the whole store or some categories, which day, who counts."""
    actor, now = access.actor_of(request), clock.now()
    store = Store.objects.filter(stores_of(actor, CREATE)).order_by("pk").first()
    if store is None:
        raise NotFound()
    refusal = None
    if request.method == "POST":
        post = request.POST
        content = {name: post.getlist(name) for name in ("categories", "counters", "day")}

        def work() -> dict[str, Any]:
            made = services.create_stocktake(
                store=store, categories=post.getlist("categories"), day=desk.day(post.get("day")) or clock.local_day(now),
                counters=_ids(post, "counters"), actor=actor, now=now,
            )  # fmt: skip
            return {"page": reverse("crm:stocktake", args=[made.public_id])}

        answer, refusal = desk.attempt(request, content, work)
        if refusal is None:
            return desk.done(request, "盘点开好了，已经告诉要盘的人", answer["page"])
    facts = {
        "store": store, "categories": categories_of(store), "people": list(people_of(store)), "today": clock.local_day(now),
        "chosen": request.POST.getlist("categories"), "counters": _ids(request.POST, "counters"), "post": request.POST,
        "errors": {one["field"]: one["message"] for one in refusal.errors} if refusal else {}, "refusal": refusal,
    }  # fmt: skip
    return render(
        request,
        "stocktake/new.html",
        facts | shell_facts(actor, "stocktakes"),
        status=refusal.status if refusal else 200,
    )


# ---------------------------------------------------------------- one


def _seen(actor: Actor, public_id: UUID) -> Stocktake:
    """Return a stocktake in reach. Raises NotFound."""
    found = Stocktake.objects.visible_to(actor).with_people().filter(public_id=public_id).first()
    if found is None:
        raise NotFound()
    return found


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles(*LEADERS)
def stocktake(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """One stocktake: how far it is, then what differs and what is to be decided."""
    actor, now = access.actor_of(request), clock.now()
    found = _seen(actor, public_id)
    refusal = None
    if request.method == "POST":
        act = ACTS.get(request.POST.get("do", ""))
        if act is None:
            raise Invalid("没看懂要做什么，重新点一下")
        content = {
            name: request.POST.getlist(name)
            for name in ("do", "sku", "line", "zone", "keep", "recounter", "reason", "counters", "anyway")
        }
        answer, refusal = desk.attempt(request, content, lambda: {"said": act(found, request.POST, actor, now)})
        if refusal is None:
            return desk.done(request, answer["said"], request.path)
        found = _seen(actor, public_id)
    status = refusal.status if refusal else 200
    return render(
        request, "stocktake/one.html", _facts(request, found, actor, now) | {"refusal": refusal}, status=status
    )


@never_cache
@require_GET
@access.roles(*LEADERS)
def live(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """How far the count is, asked for again and again while it runs; once it ended the whole page comes anew."""
    found = _seen(access.actor_of(request), public_id)
    if found.state != request.GET.get("state", found.state):
        return hx.redirect(reverse("crm:stocktake", args=[public_id]))
    return render(request, "stocktake/live.html", {"one": found, "progress": progress_of(found), "now": clock.now()})


@never_cache
@require_GET
@access.roles(*LEADERS)
def more(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The next sizes that differ."""
    found = _seen(access.actor_of(request), public_id)
    return render(request, "stocktake/lines.html", _lines(request, found))


def _lines(request: HttpRequest, found: Stocktake) -> dict[str, Any]:
    actor, by = access.actor_of(request), "pieces" if request.GET.get("by") == "pieces" else "amount"
    lines = StocktakeLine.objects.visible_to(actor).filter(stocktake=found)
    shown, after = differences(lines, after=request.GET.get("after", ""), by=by)
    return {
        "one": found,
        "lines": shown,
        "after": after,
        "by": by,
        "can_choose": found.state == "review" and _leads(actor, found),
    }


def _leads(actor: Actor, found: Stocktake) -> bool:
    return Store.objects.filter(stores_of(actor, CREATE), pk=found.store_id).exists()


def _facts(request: HttpRequest, found: Stocktake, actor: Actor, now: datetime) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "one": found, "today": clock.local_day(now), "leads": _leads(actor, found), "people": list(people_of(found.store)),
        "counters": list(found.counters.select_related("staff").order_by("staff_id")), "post": request.POST,
    } | shell_facts(actor, "stocktakes")  # fmt: skip
    facts["counting"] = [one.staff_id for one in facts["counters"]]
    if found.state in Stocktake.SCANNED:
        facts |= {"progress": progress_of(found), "silent": silent_phones(found, now=now)}
    if found.closed_at:
        facts |= {"sums": sums_of(found), **_lines(request, found)}
    if found.state == Stocktake.State.REVIEW:
        facts |= {"clashes": clashes(found), "unknown": unknown_codes(found), "late": late_scans(found)}
        facts["not_yet"] = services.may_approve(found, actor)
    return facts


# ---------------------------------------------------------------- what one does there


def _ids(post: QueryDict, name: str) -> list[int]:
    return [number for text in post.getlist(name) if (number := desk.chosen(text))]


Act = Callable[[Stocktake, QueryDict, Actor, datetime], str]


def _start(found: Stocktake, post: QueryDict, actor: Actor, now: datetime) -> str:
    services.start_stocktake(found, actor=actor, now=now)
    return "开始了，账面数已经记下"


def _cancel(found: Stocktake, post: QueryDict, actor: Actor, now: datetime) -> str:
    services.cancel_stocktake(found, reason=post.get("reason", ""), actor=actor, now=now)
    return "这次盘点取消了，库存没有改"


def _counters(found: Stocktake, post: QueryDict, actor: Actor, now: datetime) -> str:
    services.change_counters(found, counters=_ids(post, "counters"), actor=actor, now=now)
    return "盘点的人改好了"


def _close(found: Stocktake, post: QueryDict, actor: Actor, now: datetime) -> str:
    services.close_round(found, actor=actor, anyway=post.get("anyway") == "1", now=now)
    return "收盘了，下面是差异"


def _go_on(found: Stocktake, post: QueryDict, actor: Actor, now: datetime) -> str:
    services.go_on_counting(found, actor=actor, now=now)
    return "接着盘"


def _recount(found: Stocktake, post: QueryDict, actor: Actor, now: datetime) -> str:
    services.ask_recount(
        found, sku_ids=_ids(post, "sku"), recounter_id=desk.chosen(post.get("recounter")), actor=actor, now=now
    )
    return "已经请他复盘"


def _clash(found: Stocktake, post: QueryDict, actor: Actor, now: datetime) -> str:
    keep = desk.chosen(post.get("keep")) or None
    services.settle_clash(
        found, line_id=desk.chosen(post.get("line")), zone=post.get("zone", ""), keep=keep, actor=actor, now=now
    )
    return "定好了，差异重新算过"


def _late(found: Stocktake, post: QueryDict, actor: Actor, now: datetime) -> str:
    services.settle_late(found, take=post.get("keep") == "1", actor=actor, now=now)
    return "定好了，差异重新算过"


def _approve(found: Stocktake, post: QueryDict, actor: Actor, now: datetime) -> str:
    services.approve_stocktake(found, note=post.get("reason", ""), actor=actor, now=now)
    return "已入账，库存按盘点的数改好了"


ACTS: dict[str, Act] = {
    "start": _start, "cancel": _cancel, "counters": _counters, "close": _close, "go_on": _go_on, "recount": _recount,
    "clash": _clash, "late": _late, "approve": _approve,
}  # fmt: skip


def waiting_count(request: HttpRequest) -> int | None:
    """Return how many stocktakes wait to be decided on."""
    waiting = Stocktake.objects.visible_to(access.actor_of(request)).filter(state=Stocktake.State.REVIEW)
    return waiting.count() or None


nav.add(
    "hq", key="stocktakes", label="盘点", icon="scan-barcode", url="crm:stocktakes", order=48,
    roles=tuple(role for role in LEADERS if role != "store_manager"), badge=nav.kept(waiting_count), loud=False,
)  # fmt: skip
