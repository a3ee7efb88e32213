"""One visit: the page that is filled in the store, with the net or without, and what came of it."""

from __future__ import annotations

from itertools import groupby
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from guides.org import matrix
from yejibao.core import access, clock, hx, panels
from yejibao.core.errors import NotFound
from yejibao.core.scope import Actor

from .models import Finding, ItemScore, PatrolPhoto, Visit
from .pages import DOERS, around, arrival_of, body_of, spent
from .queries import category_names, changes_since, department_name, hints_of, items_of, people_of, topics_of
from .rectify.queries import hint_of, last_of_items
from .scoped import READ
from .scoring import RED_LINE_CAP, Scored, deadline, mean_whole
from .services import drop_visit, submit_visit, sync_visit

SLOT = "patrol.visit"


@never_cache
@require_GET
@access.roles(*matrix.holders(READ))
def visit(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """A patrol: to be filled by who does it, to be read once it is handed in."""
    actor = access.actor_of(request)
    found = Visit.objects.visible_to(actor).with_people().filter(public_id=public_id).first()
    if found is None:
        raise NotFound()
    if found.is_open and found.patroller_id == actor.staff_id:
        return render(request, "patrol/visit.html", _form(found, actor) | around(actor))
    return render(request, "patrol/visit_done.html", _result(request, found, actor) | around(actor))


def _form(visit: Visit, actor: Actor) -> dict[str, Any]:
    """Return the page of an open visit: its items as they never change, and what the phone keeps as JSON."""
    now = clock.now()
    items = items_of(visit)
    seen = last_of_items(visit.store_id)
    for item in items:
        item.before = hint_of(seen.get(item.key), now=now)  # type: ignore[attr-defined]
        item.hints = hints_of(item)  # type: ignore[attr-defined]
        item.until = deadline(now, item.rectify_hours)  # type: ignore[attr-defined]
    names = category_names()
    parts = [
        {"key": key, "name": names.get(key, key), "items": list(rows)}
        for key, rows in groupby(items, lambda one: one.category)
    ]
    people = [{"pk": one.pk, "name": one.name} for one in people_of(visit.store)]
    known = changes_since(visit, -1) | {
        "id": str(visit.public_id), "staff": actor.staff_id, "kind": visit.kind, "started_at": visit.started_at.isoformat(),
        "rules": {
            item.key: {"weight": item.weight, "photo": item.photo == "required", "red": item.is_red_line, "name": item.name}
            for item in items
        },
        "people": people, "cap": RED_LINE_CAP, "topics": topics_of(visit),
        "urls": {
            "sync": reverse("guides:patrol-sync", args=[visit.public_id]),
            "submit": reverse("guides:patrol-submit", args=[visit.public_id]),
            "nonce": reverse("guides:patrol-nonce"),
        },
    }  # fmt: skip
    return {
        "visit": visit, "parts": parts, "people": people, "known": known, "count": len(items),
        "department_name": department_name(visit.department), "topics": topics_of(visit),
    }  # fmt: skip


def _result(request: HttpRequest, visit: Visit, actor: Actor) -> dict[str, Any]:
    """Return what came of a visit, as far as this person reads its items."""
    rows = list(ItemScore.objects.visible_to(actor).filter(visit=visit).select_related("item").order_by("item__seq"))
    photos: dict[int, list[PatrolPhoto]] = {}
    shown = PatrolPhoto.objects.visible_to(actor).filter(visit=visit, removed_at=None, item__isnull=False)
    for photo in shown.order_by("pk"):
        photos.setdefault(photo.item_id or 0, []).append(photo)
    findings = {
        row.item_id: row for row in Finding.objects.visible_to(actor).filter(visit=visit).select_related("owner")
    }
    names, parts = category_names(), []
    for key, group in groupby(rows, lambda one: one.item.category):
        held = list(group)
        for row in held:
            row.shown, row.found = photos.get(row.item_id, []), findings.get(row.item_id)  # type: ignore[attr-defined]
        score = mean_whole(Scored(row.item.weight, row.score) for row in held)
        parts.append({"name": names.get(key, key), "rows": held, "score": score})
    return {
        "visit": visit, "parts": parts, "check_ins": list(visit.check_ins.order_by("at")),
        "coachings": list(visit.coachings.filter(removed_at=None).select_related("guide").order_by("pk")),
        "topics": topics_of(visit), "department_name": department_name(visit.department),
        "panels": panels.render(SLOT, request, visit=visit),
    }  # fmt: skip


def _own(request: HttpRequest, public_id: UUID) -> Visit:
    """Return a visit of one's own. Raises NotFound."""
    actor = access.actor_of(request)
    found = Visit.objects.filter(public_id=public_id, patroller_id=actor.staff_id).select_related("store").first()
    if found is None:
        raise NotFound()
    return found


@never_cache
@require_POST
@access.roles(*DOERS)
def sync(request: HttpRequest, public_id: UUID) -> JsonResponse:
    """Take what a phone changed, tell what is new since what it knows. Safe to repeat."""
    actor, said = access.actor_of(request), body_of(request)
    known = said.get("known")
    visit, outcome = sync_visit(_own(request, public_id).pk, said, actor=actor, now=clock.now())
    answer = changes_since(visit, known if isinstance(known, int) and 0 <= known < 2**31 else 0)
    return JsonResponse(answer | {"taken": outcome.taken, "conflicts": outcome.conflicts, "refused": outcome.refused})


@require_POST
@access.roles(*DOERS)
def submit(request: HttpRequest, public_id: UUID) -> JsonResponse:
    """Hand a patrol in; answers where it is read."""
    actor, now, said = access.actor_of(request), clock.now(), body_of(request)
    found = _own(request, public_id)

    def work() -> dict[str, Any]:
        rev = said.get("rev")
        visit = submit_visit(
            found.pk, rev=rev if isinstance(rev, int) else -1, arrival=arrival_of(said), summary=str(said.get("summary") or ""),
            actor=actor, now=now,
        )  # fmt: skip
        return {
            "url": reverse("guides:patrol-visit", args=[visit.public_id]),
            "score": visit.score,
            "grade": visit.grade,
        }

    return JsonResponse(spent(request, said, work))


@require_POST
@access.roles(*DOERS)
def drop(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Give up a patrol that was begun by mistake."""
    drop_visit(_own(request, public_id), actor=access.actor_of(request), now=clock.now())
    hx.flash(request, "这次巡店作废了")
    return HttpResponseRedirect(reverse("guides:patrol"))
