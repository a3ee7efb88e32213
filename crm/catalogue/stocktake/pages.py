"""盘点 on the phone of who counts: what is asked of him, and the page he scans on, with the net or without."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from guides.org import matrix
from guides.org.pages import shell_facts
from yejibao.core import access, clock, desk, hx, nav
from yejibao.core.errors import Malformed, NotFound
from yejibao.core.scope import Actor

from .models import Stocktake, StocktakeCounter, StocktakeLine
from .queries import known_goods
from .scoped import CREATE, READ
from .services import PhonesWait, close_round, start_stocktake, take_scans

COUNTERS = tuple(role for role in ("guide", "store_manager") if role in matrix.holders(READ))
ZONES = ("A 区", "B 区", "C 区", "橱窗", "库房")
SHOWN = 20
MOST_BYTES = 200_000


def counted_by_me(actor: Actor) -> Any:
    """Return the stocktakes a person is asked to count in."""
    asked = StocktakeCounter.objects.filter(staff_id=actor.staff_id or 0)
    return Stocktake.objects.visible_to(actor).filter(pk__in=asked.values("stocktake_id"))


def _mine(request: HttpRequest, public_id: UUID) -> Stocktake:
    """Return a stocktake one counts in. Raises NotFound."""
    found = counted_by_me(access.actor_of(request)).with_people().filter(public_id=public_id).first()
    if found is None:
        raise NotFound()
    return found


@never_cache
@require_GET
@access.roles(*COUNTERS)
def own_stocktakes(request: HttpRequest) -> HttpResponse:
    """What I am asked to count, and the last ones I counted in."""
    actor = access.actor_of(request)
    rows = counted_by_me(actor).with_people().order_by("-created_at", "-pk")[:SHOWN]
    facts = {"open": [one for one in rows if one.is_open], "over": [one for one in rows if not one.is_open]}
    facts["today"] = clock.today()
    return render(request, "stocktake/own.html", facts | shell_facts(actor, "stocktakes"))


@never_cache
@require_GET
@access.roles(*COUNTERS)
def count(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The page one scans on. It opens without the net once it was open with it."""
    actor, found = access.actor_of(request), _mine(request, public_id)
    facts = {"one": found, "today": clock.today(), "is_mine": True} | shell_facts(actor, "stocktakes")
    if found.state == Stocktake.State.PLANNED:
        return render(request, "stocktake/begin.html", facts)
    is_recount = found.state == Stocktake.State.RECOUNT
    facts["known"] = {
        "id": str(found.public_id), "staff": actor.staff_id, "me": actor.name, "state": found.state, "round": found.round,
        "zones": ZONES, "goods": known_goods(found) if found.state in Stocktake.SCANNED else [],
        "can_scan": found.state in Stocktake.SCANNED and (not is_recount or found.recounter_id == actor.staff_id),
        "urls": {"sync": reverse("crm:stocktake-sync", args=[public_id]), "list": reverse("crm:own-stocktakes")},
    }  # fmt: skip
    if is_recount:
        lines = StocktakeLine.objects.filter(stocktake=found, wants_recount=True).select_related("sku__style")
        facts["wanted"] = list(lines.order_by("sku__style__name", "sku__size")[:200])
    return render(request, "stocktake/count.html", facts)


@require_POST
@access.roles(*COUNTERS)
def begin(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """开始盘点: the book is frozen, the first to tap does it for all."""
    actor, found = access.actor_of(request), _mine(request, public_id)
    _answer, refusal = desk.attempt(
        request, {}, lambda: {"pk": start_stocktake(found, actor=actor, now=clock.now()).pk}
    )
    if refusal is not None:
        hx.flash(request, desk.sentence(refusal))
    return HttpResponseRedirect(reverse("crm:stocktake-count", args=[public_id]))


@never_cache
@require_POST
@access.roles(*COUNTERS)
def sync(request: HttpRequest, public_id: UUID) -> JsonResponse:
    """Take what a phone scanned, tell how far all are. Safe to repeat: each scan has a name of its own."""
    actor, said = access.actor_of(request), _body(request)
    held, outcome = take_scans(_mine(request, public_id), said, actor=actor, now=clock.now())
    answer = {"state": held.state, "round": held.round, "taken": outcome.taken, "scans": outcome.scans,
              "refused": outcome.refused, "progress": outcome.progress}  # fmt: skip
    return JsonResponse(answer)


def _body(request: HttpRequest) -> dict[str, Any]:
    if len(request.body) > MOST_BYTES:
        raise Malformed("一次传得太多")
    try:
        said = json.loads(request.body or b"{}")
    except ValueError:
        raise Malformed() from None
    if not isinstance(said, dict):
        raise Malformed()
    return said


@require_POST
@access.roles(*COUNTERS)
def close(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """盘完了: counting ends; phones that may still hold something are named first."""
    actor, found = access.actor_of(request), _mine(request, public_id)
    anyway = request.POST.get("anyway") == "1"
    _answer, refusal = desk.attempt(
        request, {"anyway": anyway},
        lambda: {"pk": close_round(found, actor=actor, anyway=anyway, now=clock.now()).pk},
    )  # fmt: skip
    if refusal is None:
        return desk.done(request, "盘完了，店长会看差异", reverse("crm:own-stocktakes"))
    facts = {"one": found, "refusal": desk.sentence(refusal), "may_insist": refusal.code == PhonesWait.code}
    return render(request, "stocktake/close.html", facts | shell_facts(actor, "stocktakes"), status=refusal.status)


def open_count(request: HttpRequest) -> int | None:
    """Return how many stocktakes wait for this person to count."""
    return counted_by_me(access.actor_of(request)).filter(state__in=Stocktake.OPEN).count() or None


nav.add(
    "tools", key="stocktake", label="盘点", icon="scan-barcode", url="crm:own-stocktakes", order=46, roles=("guide",), badge=open_count
)  # fmt: skip
nav.add(
    "tools", key="stocktakes", label="盘点", icon="scan-barcode", url="crm:stocktakes", order=46, roles=matrix.holders(CREATE)
)  # fmt: skip
