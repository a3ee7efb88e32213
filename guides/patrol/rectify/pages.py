"""/m/patrol/findings/: what is to be mended and checked, and one finding with its whole story."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from guides.org import matrix
from guides.org.models import Staff
from yejibao.core import access, clock, desk, files, hx, idempotency
from yejibao.core.errors import Invalid, NotFound
from yejibao.core.panels import Answer, panel
from yejibao.core.scope import Actor

from ..pages import SLOT_HOME, around
from ..scoped import READ
from . import people, services
from .models import PHOTOS, Rectification
from .queries import (
    LISTS,
    Line,
    counts_of,
    item_history,
    open_of_store,
    open_rectification,
    page_of_findings,
    read_story,
    waits_too_long,
)

READERS = matrix.holders(READ)
HOME_ROWS = 3
NEEDS_MONEY = ("engineering", "space")  # rectification.assign: a question of 工程维修 or 道具空间 at HQ, and it waits


def _number(text: str) -> int | None:
    if text and not (text.isdecimal() and len(text) < 19):
        raise NotFound()
    return int(text) if text else None


@never_cache
@require_GET
@access.roles(*READERS)
def findings(request: HttpRequest) -> HttpResponse:
    """整改: ?list= one of LISTS; ?visit= of one patrol, ?store= of one store."""
    actor, now = access.actor_of(request), clock.now()
    counts = counts_of(actor, now=now)
    offered = [key for key in LISTS if key not in ("mine", "check") or counts[key]]
    key = request.GET.get("list", "")
    key = key if key in LISTS else offered[0]
    visit, store = _number(request.GET.get("visit", "")), _number(request.GET.get("store", ""))
    lines, following = page_of_findings(
        actor, key=key, now=now, store_id=store, visit_id=visit, before=request.GET.get("before", "")[:64]
    )
    around_it = f"&visit={visit}" if visit else f"&store={store}" if store else ""
    facts: dict[str, Any] = {
        "lines": lines, "now": now,
        "next_url": f"{request.path}?list={key}{around_it}&before={following}" if following else "",
    }  # fmt: skip
    if request.GET.get("before") and hx.is_htmx(request):
        return render(request, "patrol/finding_rows.html", facts)
    facts |= {
        "key": key, "around_it": around_it,
        "lists": [{"key": one, "name": LISTS[one], "count": counts.get(one, 0)} for one in offered],
    }  # fmt: skip
    return render(request, "patrol/findings.html", facts | around(actor))


@never_cache
@require_GET
@access.roles(*READERS)
def finding(request: HttpRequest, pk: int) -> HttpResponse:
    """One finding: before and after, what happened, and the buttons of whoever may press them."""
    return _page(request, open_rectification(access.actor_of(request), pk))


def _page(request: HttpRequest, row: Rectification) -> HttpResponse:
    actor, now = access.actor_of(request), clock.now()
    story = read_story(actor, row, now=now)
    others: list[Staff] = []
    if story.can_lead and story.is_open:
        others = list(
            Staff.objects.filter(people.may_mend(row.finding.store)).exclude(pk=row.finding.owner_id).distinct().order_by("pk")
        )  # fmt: skip
    facts = {
        "story": story, "row": row, "finding": row.finding, "others": others,
        "too_long": waits_too_long(row, now=now), "photo_room": PHOTOS,
        "may_mend": story.is_open and (story.is_mine or story.can_lead) and actor.has_role(*services.MENDERS),
        "needs_hq": story.can_lead and row.finding.item.department in NEEDS_MONEY and actor.may("call_hq.ask"),
        "can_waive": row.finding.closed_at is None and services.may_waive(row, actor, now=now),
    }  # fmt: skip
    return render(request, "patrol/finding.html", facts | around(actor))


def _act(request: HttpRequest, pk: int, work: Callable[[Rectification, Actor], Any], *, said: str) -> HttpResponse:
    """Do one act, once a key, and come back to the finding."""
    actor = access.actor_of(request)
    row = open_rectification(actor, pk)
    wanted = desk.posted(request.POST)

    def once() -> dict[str, Any]:
        work(row, actor)
        return {"finding": pk}

    idempotency.once(request, wanted, once)
    url = reverse("guides:patrol-finding", args=[pk])
    hx.flash(request, said)
    return hx.redirect(url) if hx.is_htmx(request) else HttpResponseRedirect(url)


@require_POST
@access.permission(people.CHECK)
def check(request: HttpRequest, pk: int) -> HttpResponse:
    """复查: 通过, or 退回 with a word why and photos."""
    now, note = clock.now(), request.POST.get("note", "")
    if request.POST.get("pass") == "1":
        return _act(
            request, pk, lambda row, actor: services.accept_rectification(row, actor=actor, now=now, note=note),
            said="复查通过，报告上改成已解决",
        )  # fmt: skip

    def send_back(row: Rectification, actor: Actor) -> None:
        names = files.take(
            request.FILES.getlist("photo"), request.POST.getlist("photos"), room=PHOTOS, actor=actor, now=now
        )
        services.return_rectification(row, actor=actor, now=now, reason=note, names=names)

    return _act(request, pk, send_back, said="退回去了，期限顺延一天")


@require_POST
@access.permission(people.CHECK)
def waive(request: HttpRequest, pk: int) -> HttpResponse:
    """不用整改了"""
    now, note = clock.now(), request.POST.get("note", "")
    return _act(
        request, pk, lambda row, actor: services.waive_rectification(row, actor=actor, now=now, reason=note),
        said="撤销了，店里不用改了",
    )  # fmt: skip


LEADERS = ("store_manager", "area_supervisor")


@require_POST
@access.roles(*LEADERS)
def assign(request: HttpRequest, pk: int) -> HttpResponse:
    """换人整改"""
    now, to = clock.now(), request.POST.get("to", "")
    if not (to.isdecimal() and len(to) < 19):
        raise Invalid("选一个人")
    return _act(
        request, pk, lambda row, actor: services.assign_rectification(row, to=int(to), actor=actor, now=now),
        said="换人了，他会收到消息",
    )  # fmt: skip


@require_POST
@access.roles(*LEADERS)
def wait(request: HttpRequest, pk: int) -> HttpResponse:
    """等总部处理"""
    now, note = clock.now(), request.POST.get("note", "")
    return _act(
        request,
        pk,
        lambda row, actor: services.let_wait(row, actor=actor, now=now, waits_for=note),
        said="记下了，期限先停着",
    )


@require_POST
@access.roles(*LEADERS)
def resume(request: HttpRequest, pk: int) -> HttpResponse:
    """继续整改"""
    now = clock.now()
    return _act(request, pk, lambda row, actor: services.resume(row, actor=actor, now=now), said="继续整改，期限顺延了")


@never_cache
@require_GET
@access.roles(*READERS)
def history(request: HttpRequest, store: int, item: str) -> HttpResponse:
    """这一项在这家店的历史, as a sheet."""
    actor = access.actor_of(request)
    seen = Rectification.objects.visible_to(actor).filter(finding__store_id=store, finding__item__key=item)
    row = seen.with_finding().order_by("-pk").first()
    if row is None:
        raise NotFound()
    facts = {"seen": item_history(store, item), "item": row.finding.item, "store": row.finding.store}
    return render(request, "patrol/item_history.html", facts | around(actor))


# ---------------------------------------------------------------- panels


@panel(SLOT_HOME, order=10, name="rectify")
def rectify_panel(request: HttpRequest, **_: Any) -> Answer:
    """整改 on the first page of 巡店: how many are open, late, to be checked; and the first of one's own."""
    actor, now = access.actor_of(request), clock.now()
    counts = counts_of(actor, now=now)
    if not any(counts.values()):
        return None
    lines: list[Line] = []
    for key in ("check", "mine"):
        if counts[key] and len(lines) < HOME_ROWS:
            lines += page_of_findings(actor, key=key, now=now)[0][: HOME_ROWS - len(lines)]
    return "patrol/panel_rectify.html", {
        "counts": counts,
        "lines": lines,
        "now": now,
        "url": reverse("guides:patrol-findings"),
    }


@panel("manager.board", order=40, name="patrol")
def board_panel(request: HttpRequest, *, store_ids: list[int], now: Any, **_: Any) -> Answer:
    """巡店 on the board of a store: the last score, what is open and late."""
    from ..models import Visit

    last = (
        Visit.objects.visible_to(access.actor_of(request)).filter(store_id__in=store_ids, state="submitted")
        .exclude(kind="self").select_related("patroller").order_by("-submitted_at", "-pk").first()
    )  # fmt: skip
    return "patrol/panel_board.html", {"last": last, "counts": open_of_store(store_ids, now=now), "now": now}
